"""Matrix factorization with biases, fitted by Adam: histories in, a vector an item out; a user is solved for.

Koren, Bell and Volinsky 2009, "Matrix factorization techniques for recommender systems": its model with biases
(the overall mean is within the items') and its confidence levels (equation 8), with what did not happen as
zeros. In training a user has a vector of its own; served is the one that minimizes the same loss for the
user's history, so that those who came after the fit have one too.
"""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models import factors, loop
from pipeline_tasks.models.checkpoint import config_of
from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.models.interface import NO_REASON, State, Training
from pipeline_tasks.models.mf_fitting import Fitting, MfConfig, Network
from pipeline_tasks.models.schedule import Schedule
from pipeline_tasks.models.tastes import Tastes, tastes_of
from pipeline_tasks.models.validation import hold_out, mean_gain


class Mf:
    """Item parameters (n_items + 1, dim + 1), factors and a bias, zeros where an item had no events.

    A user's vector is the factors and a 1 that takes the bias in; the user's own bias moves no ranking, and
    is solved for and dropped.
    """

    name = "mf"

    def __init__(self, config: MfConfig, items: Tensor, facts: dict[str, Any]) -> None:
        self.config, self.facts = config, facts
        self._items = items
        known = items.any(1, keepdim=True).float()
        self._design = torch.cat(
            [items[:, :-1], known], 1
        )  # what a user's factors and bias are multiplied by
        self._base = config.zero_weight * self._design.T @ self._design
        self._pull = -config.zero_weight * items[:, -1] @ self._design

    @classmethod
    def fit(cls, histories: Histories, catalogue: Catalogue, config: MfConfig, training: Training) -> Self:
        learnt, known, answers = hold_out(histories, config.validation_users, novel=config.novel_targets)
        learnt = learnt.last(config.max_history)
        tastes, rows = tastes_of(learnt, config.weights), catalogue.n_items + 1
        with torch.random.fork_rng():
            torch.manual_seed(training.seed)
            network = Network(len(learnt), rows, config.dim)
        previous = factors.goes_on(training.previous, config.dim)
        if previous:  # known items start where they were, and users where those put them
            before = factors.grown(previous.tensors["items"].cpu(), rows)
            factors.carry_over(network.items.weight.data, before)
            network.known_items |= before.any(1)
            factors.carry_over(network.users.weight.data, cls(config, before, {})._solved(learnt))
        network.to(training.device)

        def quality(items: Tensor) -> float | None:
            seen = config.novel_targets
            return mean_gain(cls(config, items, {}).score, known, answers, len(items) - 1, exclude_seen=seen)

        fitting = Fitting(network, tastes, config, quality)
        schedule = Schedule(config.epochs, config.patience, config.learning_rate, weight_decay=0.0)
        warm = previous is not None
        facts = loop.fit(network, fitting, schedule, config, histories, training, warm=warm)
        return cls(config, fitting.item_table(), facts)

    def state(self) -> State:
        return State({"items": self._items}, self.facts)

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> Self:
        return cls(
            config_of(MfConfig, state.facts),
            state.tensors["items"].to(device),
            state.facts,
        )

    def at(self, catalogue: Catalogue) -> Self:
        return type(self)(self.config, factors.grown(self._items, catalogue.n_items + 1), self.facts)

    def encode(self, histories: Histories) -> Tensor:
        """Solve for each user; zeros for one without a known item."""
        users = self._solved(histories)
        users[:, -1] = users.any(1)
        return users

    def item_vectors(self) -> Tensor:
        return self._items

    def score(self, histories: Histories) -> Tensor:
        return factors.scores(self, histories)

    def similar(self, items: NDArray[np.int64]) -> Tensor:
        """Cosine of item factors."""
        return factors.cosines(self._items[:, :-1], items)

    def reasons(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.int64]:
        """The event whose item adds most to the score; of equals the newest."""
        events = torch.full(items.shape, NO_REASON, dtype=torch.long)
        tastes, wanted = tastes_of(histories, self.config.weights), torch.from_numpy(items).long()
        for rows in tastes.alike(factors.rows_at_once(self.config.dim + 1)):
            own, values, newest, matrices, _ = self._equations(tastes, rows)
            pulls = self._design[own] * values[:, :, None]  # (batch, pairs, dim + 1)
            asked = wanted[rows].to(pulls.device)  # (batch, k)
            events[rows] = factors.adding_most(pulls, matrices, self._items[:, :-1], newest, asked).cpu()
        return events.numpy()

    def _solved(self, histories: Histories) -> Tensor:
        """Return (rows, dim + 1), each user's factors and bias; zeros for one without a known item."""
        users = self._items.new_zeros(len(histories), self.config.dim + 1)
        tastes = tastes_of(histories, self.config.weights)
        for rows in tastes.alike(factors.rows_at_once(self.config.dim + 1)):
            items, _, _, matrices, right = self._equations(tastes, rows)
            solved = factors.solve(matrices, right) * self._design[items, -1].amax(1, keepdim=True)
            users[torch.from_numpy(rows).to(users.device)] = solved
        return users

    def _equations(
        self, tastes: Tastes, rows: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the rows' items, values and newest events (batch, pairs), and their normal equations."""
        items, weights, newest = tastes.padded(rows, self._items.device)
        values = weights * (1 - self._items[items, -1])
        matrices, right = factors.equations(self._design, items, weights, values)
        pairs = self._design[items, -1].sum(1)  # with items that are known
        ridge = self.config.regularization * pairs.clamp(min=1)[:, None].expand(right.shape)
        matrices = matrices + self._base + torch.diag_embed(ridge)
        return items, values, newest, matrices, right + self._pull
