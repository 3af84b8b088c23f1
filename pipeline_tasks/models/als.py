"""Implicit-feedback ALS: histories in, a vector an item out; a user is solved for from the history alone.

Hu, Koren and Volinsky 2008, "Collaborative filtering for implicit feedback datasets". Items are fitted by the
package `implicit`, or come from elsewhere (see als_on_spark.py); users are folded in by the paper's equation 4,
so that those who came after the fit have vectors too. An item without events has a vector of zeros, and is never ranked.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.errors import Refused
from pipeline_tasks.models import factors
from pipeline_tasks.models.checkpoint import config_of
from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.models.interface import NO_REASON, State, Training
from pipeline_tasks.models.tastes import Tastes, tastes_of


@dataclass(frozen=True)
class AlsConfig:
    """A pair's confidence is 1 + `alpha` times its weight, by `weights` of the event types (first padding's)."""

    dim: int = 128
    alpha: float = 20.0
    regularization: float = 0.1
    iterations: int = 15
    max_history: int = 200
    weights: tuple[float, ...] = (0.0, 1.0)


class Als:
    """Item factors (n_items + 1, dim)."""

    name = "als"

    def __init__(self, config: AlsConfig, items: Tensor) -> None:
        self.config = config
        self._items = items
        ridge = config.regularization * torch.eye(config.dim, device=items.device)
        self._base = items.T @ items + ridge  # what every user's equations share

    @classmethod
    def fit(cls, histories: Histories, catalogue: Catalogue, config: AlsConfig, training: Training) -> Self:
        known = histories.last(config.max_history)
        tastes, rows = tastes_of(known, config.weights), catalogue.n_items + 1
        items = torch.zeros(rows, config.dim)
        if len(tastes.items):
            solver, matrix = _solver(config, training, tastes, rows)
            previous = factors.goes_on(training.previous, config.dim)
            if previous:  # known items start where they were, and users where those put them
                random = np.random.default_rng(training.seed).random((rows, config.dim)) * 0.01
                start = torch.from_numpy(random.astype(np.float32))
                factors.carry_over(start, previous.tensors["items"])
                solver.item_factors = start.numpy()
                solver.user_factors = cls(config, start).encode(known).numpy()
            with _one_blas_thread():
                solver.fit(matrix, show_progress=False, callback=_saying(training.say, config.iterations))
            items = torch.from_numpy(solver.item_factors)
        return cls(config, items.to(training.device))

    @classmethod
    def of_factors(
        cls,
        config: AlsConfig,
        n_items: int,
        items: NDArray[np.int64],
        factors: NDArray[np.float32],
        device: torch.device,
    ) -> Self:
        """Return the model in which `items` have these factors (items, dim), wherever they were fitted."""
        table = np.zeros((n_items + 1, config.dim), np.float32)
        table[items] = factors
        return cls(config, torch.from_numpy(table).to(device))

    def state(self) -> State:
        return State({"items": self._items}, {"config": asdict(self.config)})

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> Self:
        return cls(config_of(AlsConfig, state.facts), state.tensors["items"].to(device))

    def at(self, catalogue: Catalogue) -> Self:
        return type(self)(self.config, factors.grown(self._items, catalogue.n_items + 1))

    def encode(self, histories: Histories) -> Tensor:
        """Solve for each user; zeros for one without a known item."""
        users = self._items.new_zeros(len(histories), self.config.dim)
        tastes = tastes_of(histories, self.config.weights)
        for rows in tastes.alike(factors.rows_at_once(self.config.dim)):
            items, weights, _ = tastes.padded(rows, users.device)
            confidence = (1 + self.config.alpha * weights) * (items > 0)
            matrices, right = self._equations(items, weights, confidence)
            users[torch.from_numpy(rows).to(users.device)] = factors.solve(matrices, right)
        return users

    def item_vectors(self) -> Tensor:
        return self._items

    def score(self, histories: Histories) -> Tensor:
        return factors.scores(self, histories)

    def similar(self, items: NDArray[np.int64]) -> Tensor:
        """Cosine of item vectors."""
        return factors.cosines(self._items, items)

    def reasons(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.int64]:
        """The event whose item adds most to the score, by section 5 of the paper; of equals the newest."""
        device = self._items.device
        events = torch.full(items.shape, NO_REASON, dtype=torch.long)
        tastes, wanted = tastes_of(histories, self.config.weights), torch.from_numpy(items).long()
        for rows in tastes.alike(factors.rows_at_once(self.config.dim)):
            own, weights, newest = tastes.padded(rows, device)
            confidence = (1 + self.config.alpha * weights) * (own > 0)
            matrices, _ = self._equations(own, weights, confidence)
            asked = wanted[rows].to(device)  # (batch, k)
            pulls = self._items[own] * confidence[:, :, None]  # (batch, pairs, dim)
            events[rows] = factors.adding_most(pulls, matrices, self._items, newest, asked).cpu()
        return events.numpy()

    def _equations(self, items: Tensor, weights: Tensor, confidence: Tensor) -> tuple[Tensor, Tensor]:
        matrices, right = factors.equations(self._items, items, self.config.alpha * weights, confidence)
        return self._base + matrices, right


def _solver(config: AlsConfig, training: Training, tastes: Tastes, items: int) -> tuple[Any, Any]:
    """Return implicit's solver and its matrix of confidences; raises Refused where the package is missing.

    Each row is solved by one thread, so that the number of threads decides nothing of the result but what the
    product of the factors' transpose with themselves is rounded to.
    """
    try:  # not at the top: only fitting needs it, and the trainer's image does without
        from implicit.cpu.als import AlternatingLeastSquares
        from scipy.sparse import csr_matrix
    except ImportError as error:
        raise Refused(
            f"als needs a package that is not installed: {error}",
            "pip install implicit==0.7.3, or train another model",
        ) from error
    with _one_blas_thread():
        solver = AlternatingLeastSquares(
            factors=config.dim,
            regularization=config.regularization,
            alpha=1.0,  # the confidences are made here
            iterations=config.iterations,
            num_threads=torch.get_num_threads(),
            random_state=training.seed,
        )
    confidence = (1 + config.alpha * tastes.weights).astype(np.float32)
    shape = (len(tastes.offsets) - 1, items)
    return solver, csr_matrix((confidence, tastes.items, tastes.offsets), shape=shape)


def _one_blas_thread() -> Any:
    """Return a context for implicit: its threads share the work out, and those of BLAS would be in their way."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "blas")


def _saying(say: Callable[[str], None], iterations: int) -> Callable[[int, float, Any], None]:
    def line(iteration: int, seconds: float, loss: Any) -> None:
        left = (iterations - iteration - 1) * seconds
        say(f"iteration {iteration + 1}/{iterations}: {seconds:.1f} s, about {left:.0f} s left")

    return line
