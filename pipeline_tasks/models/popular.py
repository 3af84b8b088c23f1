"""Popular items: events in, the same order of the catalogue for everybody (or for a segment) out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.evaluation.splits import DAY_SECONDS
from pipeline_tasks.models.checkpoint import config_of
from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.models.interface import NO_REASON, State, Training


@dataclass(frozen=True)
class PopularConfig:
    """`weights` of the event types (the first is padding's); the `days` before `until` (Unix seconds) count."""

    until: int
    days: int = 7
    weights: tuple[float, ...] = (0.0, 1.0)


def popularity(histories: Histories, n_items: int, config: PopularConfig) -> NDArray[np.float64]:
    """Return (n_items + 1,): each item's weighted events of the last days, plus a fraction below 1.

    The fraction is the item's share of all history, which orders what the last days do not. When nothing
    happened in the last days, more of them count.
    """
    weights = np.asarray(config.weights)[histories.types]
    known = histories.times < config.until
    total = np.bincount(histories.items[known], weights[known], n_items + 1)
    days = config.days
    while True:
        since = config.until - days * DAY_SECONDS
        recent = known & (histories.times >= since)
        if recent.any() or not known.any():
            break
        days *= 2
    newest = np.bincount(histories.items[recent], weights[recent], n_items + 1)
    found: NDArray[np.float64] = newest + total / (total.sum() + 1.0)
    return found


def segment_popularity(
    histories: Histories, n_items: int, config: PopularConfig, segments: Sequence[Sequence[str]]
) -> dict[str, NDArray[np.float64]]:
    """Return the popularity within each segment that has events; `segments` are those of each row."""
    members: dict[str, list[int]] = {}
    for row, names in enumerate(segments):
        for name in names:
            members.setdefault(name, []).append(row)
    return {
        name: popularity(histories.rows(np.array(rows)), n_items, config)
        for name, rows in sorted(members.items())
    }


class Popular:
    """The popular list as a model: every user gets the same scores."""

    name = "popular"

    def __init__(self, config: PopularConfig, scores: Tensor) -> None:
        self.config = config
        self.scores = scores  # (n_items + 1,)

    @classmethod
    def fit(
        cls, histories: Histories, catalogue: Catalogue, config: PopularConfig, training: Training
    ) -> Self:
        scores = popularity(histories, catalogue.n_items, config)
        return cls(config, torch.from_numpy(scores).to(training.device))

    def state(self) -> State:
        return State({"scores": self.scores}, {"config": asdict(self.config)})

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> Self:
        return cls(
            config_of(PopularConfig, state.facts),
            state.tensors["scores"].to(device),
        )

    def at(self, catalogue: Catalogue) -> Self:
        grown = self.scores.new_zeros(catalogue.n_items + 1)
        grown[: len(self.scores)] = self.scores
        return type(self)(replace(self.config), grown)

    def score(self, histories: Histories) -> Tensor:
        return self.scores.masked_fill(self.scores <= 0, -torch.inf).repeat(len(histories), 1)

    def similar(self, items: NDArray[np.int64]) -> Tensor:
        return self.scores.new_full((len(items), len(self.scores)), -torch.inf)

    def reasons(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.int64]:
        return np.full(items.shape, NO_REASON, dtype=np.int64)
