"""NeuMF as a model: fitted on histories by pairs of items, it scores blocks of items and explains by gradients."""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models import factors, loop
from pipeline_tasks.models.checkpoint import config_of
from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.models.interface import NO_REASON, State, Training
from pipeline_tasks.models.ncf_fitting import Fitting, context, score, vectors
from pipeline_tasks.models.neumf import NcfConfig, Network
from pipeline_tasks.models.schedule import Schedule
from pipeline_tasks.models.tastes import heaviest_event, tastes_of
from pipeline_tasks.models.validation import hold_out

# pairs of a user's item and a recommended one, times the width of a vector, at a time
CELLS_AT_ONCE = 1 << 24


class Ncf:
    """A fitted network; `facts` say how training went. Items and users without a known event score -inf."""

    name = "ncf"

    def __init__(self, network: Network, facts: dict[str, Any]) -> None:
        self.network, self.facts = network.eval(), facts

    @classmethod
    def fit(cls, histories: Histories, catalogue: Catalogue, config: NcfConfig, training: Training) -> Self:
        learnt, known, answers = hold_out(histories, config.validation_users, novel=config.novel_targets)
        learnt = learnt.last(config.max_length)
        tastes = tastes_of(learnt, config.weights)
        sizes = int(histories.users.max(initial=0)) + 1, catalogue.n_items + 1
        nobody, nothing = (torch.zeros(size, dtype=torch.bool) for size in sizes)
        with torch.random.fork_rng():
            torch.manual_seed(training.seed)
            network = Network(config, nobody, nothing)
        warm = _go_on(network, factors.goes_on(training.previous, config.dim))
        network.to(training.device)
        fitting = Fitting(network, learnt, tastes, (known, answers))
        schedule = Schedule(config.epochs, config.patience, config.learning_rate, config.weight_decay)
        return cls(network, loop.fit(network, fitting, schedule, config, histories, training, warm=warm))

    def state(self) -> State:
        return State(dict(self.network.state_dict()), self.facts)

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> Self:
        network = Network(
            config_of(NcfConfig, state.facts),
            state.tensors["known_users"],
            state.tensors["known_items"],
        )
        network.load_state_dict(state.tensors)
        return cls(network.to(device), state.facts)

    def at(self, catalogue: Catalogue) -> Self:
        state = dict(self.network.state_dict())
        device = state["known_items"].device
        for name in ("known_items", "items.weight"):
            state[name] = factors.grown(state[name], catalogue.n_items + 1)
        return self.from_state(State(state, self.facts), device)

    @torch.no_grad()
    def score(self, histories: Histories) -> Tensor:
        return score(self.network, histories)

    @torch.no_grad()
    def similar(self, items: NDArray[np.int64]) -> Tensor:
        """Cosine of item vectors."""
        return factors.cosines(self.network.items.weight * self.network.known_items[:, None], items)

    @torch.no_grad()
    def reasons(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.int64]:
        """The event whose item adds most to the score, to first order (gradient times input); of equals the newest."""
        network, device = self.network, self.network.known_items.device
        events = torch.full(items.shape, NO_REASON, dtype=torch.long)
        tastes, wanted = context(histories, network.config), torch.from_numpy(items).long()
        users, _ = vectors(network, histories.users, tastes)
        width = 2 * network.config.dim * max(1, items.shape[1])
        for rows in tastes.alike(max(1, CELLS_AT_ONCE // width)):
            own, _, newest = tastes.padded(rows, device)
            asked = wanted[rows].to(device)  # (batch, k)
            slope = network.slope(
                users[torch.from_numpy(rows).to(device)], network.items(asked)
            )  # (batch, k, 2 dim)
            adds = network.items(own) * network.known_items[own][:, :, None] @ slope.mT  # (batch, pairs, k)
            events[rows] = heaviest_event(adds, newest, asked).cpu()
        return events.numpy()


def _go_on(network: Network, previous: State | None) -> bool:
    """Copy what an earlier model has learnt; users and items that it did not know start at random."""
    if previous is None:
        return False
    own = network.state_dict()
    for name, tensor in previous.tensors.items():
        if name in ("users.weight", "items.weight"):
            learnt = previous.tensors[f"known_{name.removesuffix('.weight')}"]
            factors.carry_over(own[name], tensor * learnt[:, None])
        elif name in ("known_users", "known_items"):
            factors.carry_over(own[name][:, None], tensor[:, None])
        else:
            own[name].copy_(tensor)
    return True
