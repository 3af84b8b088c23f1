"""A sequence model: histories in, a fitted network out that ranks by inner products and explains itself.

Its kinds differ in their encoder alone; each is a file of its own.
"""

from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models import factors, loop
from pipeline_tasks.models.checkpoint import config_of
from pipeline_tasks.models.data import Catalogue, Histories, newest_windows
from pipeline_tasks.models.fitting import Fitting, encode
from pipeline_tasks.models.interface import NO_REASON, State, Training
from pipeline_tasks.models.network import Encoder, Network, SequenceConfig
from pipeline_tasks.models.schedule import Schedule
from pipeline_tasks.models.validation import chances, hold_out

# these must agree for a model to go on from another; the others only say how it is trained
SHAPE = ("dim", "blocks", "heads", "max_length", "event_types", "temperature", "full_length")


class SequenceModel:
    """A fitted network with the vectors of all items; `facts` say how training went."""

    name: ClassVar[str]
    encoder: ClassVar[type[Encoder]]

    def __init__(self, network: Network, facts: dict[str, Any]) -> None:
        self.network = network.eval()
        self.facts = facts
        self._newest: tuple[Histories, tuple[Tensor, Tensor]] | None = None
        with torch.inference_mode():
            self._vectors = network.all_vectors()  # (n_items + 1, dim)

    @classmethod
    def fit(
        cls, histories: Histories, catalogue: Catalogue, config: SequenceConfig, training: Training
    ) -> Self:
        shown = histories.mixed(chances(histories)) if config.mixed_days else histories
        learnt, known, answers = hold_out(shown, config.validation_users, novel=config.novel_targets)
        content = torch.from_numpy(catalogue.content)
        with torch.random.fork_rng():
            torch.manual_seed(training.seed)
            network = Network(config, cls.encoder, content, torch.zeros(len(content), dtype=torch.bool))
        warm = _go_on(network, training.previous, config)
        network.to(training.device)
        fitting = Fitting(network, learnt, (known, answers), config, training)
        rates = config.learning_rate, config.weight_decay
        schedule = Schedule(config.epochs, config.patience, *rates, waits_as_long=True)
        return cls(network, loop.fit(network, fitting, schedule, config, histories, training, warm=warm))

    def state(self) -> State:
        return State(dict(self.network.state_dict()), self.facts)

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> Self:
        network = Network(
            config_of(SequenceConfig, state.facts),
            cls.encoder,
            state.tensors["content"],
            state.tensors["trained"],
        )
        network.load_state_dict(state.tensors)
        return cls(network.to(device), state.facts)

    def at(self, catalogue: Catalogue) -> Self:
        """New items have no id embedding yet: their vectors are their projected content."""
        state, rows = dict(self.network.state_dict()), catalogue.n_items + 1
        device = state["content"].device
        state["content"] = torch.from_numpy(catalogue.aligned(state["content"].cpu().numpy())).to(device)
        for name in ("trained", "ids.weight"):
            state[name] = factors.grown(state[name], rows)
        return self.from_state(State(state, self.facts), device)

    def encode(self, histories: Histories) -> Tensor:
        return self._encoded(histories)[0]

    def _encoded(self, histories: Histories) -> tuple[Tensor, Tensor]:
        """Return vectors and what events add to them; kept, since reasons are asked of the same users next."""
        if self._newest is None or self._newest[0] is not histories:
            with torch.inference_mode():
                self._newest = histories, encode(self.network, histories, self._vectors)
        return self._newest[1]

    def item_vectors(self) -> Tensor:
        return self._vectors

    def score(self, histories: Histories) -> Tensor:
        return factors.scores(self, histories)

    def similar(self, items: NDArray[np.int64]) -> Tensor:
        """Cosine of item vectors."""
        return factors.cosines(self._vectors, items)

    def reasons(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.int64]:
        """The event among the newest that adds most to the score, by what the encoder says that each adds."""
        _, added = self._encoded(histories)  # (rows, length, dim)
        windows = newest_windows(histories, self.network.config.max_length)
        if not added.shape[1]:
            return np.full(items.shape, NO_REASON, dtype=np.int64)
        with torch.inference_mode():
            wanted = self._vectors[torch.from_numpy(items).to(added.device).long()]  # (rows, k, dim)
            shares = wanted @ added.transpose(1, 2)  # (rows, k, length)
            lengths = torch.from_numpy(windows.lengths).to(added.device)
            later = torch.arange(added.shape[1], device=added.device) >= lengths[:, None]
            nth = shares.masked_fill(later[:, None], -torch.inf).argmax(2).cpu().numpy()  # (rows, k)
        found: NDArray[np.int64] = windows.starts[:, None] + nth
        return np.where((items > 0) & (windows.lengths > 0)[:, None], found, NO_REASON)


def _go_on(network: Network, previous: State | None, config: SequenceConfig) -> bool:
    """Copy what an earlier model of the same shape has learnt; items that it did not know start at random."""
    if previous is None or any(previous.facts["config"].get(name) != getattr(config, name) for name in SHAPE):
        return False
    own = network.state_dict()
    with torch.no_grad():
        for name, tensor in previous.tensors.items():
            if name == "ids.weight":
                factors.carry_over(own[name], tensor * previous.tensors["trained"][:, None])
            elif name == "trained":
                factors.carry_over(own[name][:, None], tensor[:, None])
            elif name != "content" and tensor.shape == own[name].shape:
                own[name].copy_(tensor)
    return True
