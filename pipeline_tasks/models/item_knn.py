"""Item-based nearest neighbours: who touched this also touched that. Histories in, weighted neighbours out.

Cosine with shrinkage over users (Deshpande and Karypis 2004, "Item-based top-N recommendation algorithms").
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.checkpoint import config_of
from pipeline_tasks.models.data import Catalogue, Histories, ranges
from pipeline_tasks.models.interface import NO_REASON, State, Training
from pipeline_tasks.models.tastes import Tastes, pieces, tastes_of
from pipeline_tasks.ranking.top_k import top_k

# Pairs of items counted, and cells of a block of similarities, at a time: memory does not grow with users
# times items, nor with items squared.
PAIRS_AT_ONCE = 1 << 22
CELLS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class ItemKnnConfig:
    """`weights` of the event types (the first is padding's); a pair's cosine is shrunk by few common users."""

    neighbours: int = 100
    shrinkage: float = 10.0
    max_history: int = 200
    weights: tuple[float, ...] = (0.0, 1.0)


class ItemKnn:
    """Neighbour lists of every item: `neighbours` (n_items + 1, k), 0 where there are fewer, and `weights`."""

    name = "item_knn"

    def __init__(self, config: ItemKnnConfig, neighbours: Tensor, weights: Tensor) -> None:
        self.config = config
        self.neighbours = neighbours
        self.weights = weights

    @classmethod
    def fit(
        cls, histories: Histories, catalogue: Catalogue, config: ItemKnnConfig, training: Training
    ) -> Self:
        tastes = tastes_of(histories.last(config.max_history), config.weights)
        neighbours, weights = _neighbours(tastes, catalogue.n_items, config)
        return cls(config, neighbours.to(training.device), weights.to(training.device))

    def state(self) -> State:
        return State(
            {"neighbours": self.neighbours, "weights": self.weights}, {"config": asdict(self.config)}
        )

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> Self:
        return cls(
            config_of(ItemKnnConfig, state.facts),
            state.tensors["neighbours"].to(device),
            state.tensors["weights"].to(device),
        )

    def at(self, catalogue: Catalogue) -> Self:
        rows = catalogue.n_items + 1 - len(self.neighbours)
        grown = [torch.cat([part, part.new_zeros(rows, part.shape[1])]) for part in self._parts]
        return type(self)(self.config, *grown)

    def score(self, histories: Histories) -> Tensor:
        items = len(self.neighbours)
        scores = self.weights.new_zeros(len(histories) * items)
        for place, weight, _ in self._contributions(histories):
            scores.index_add_(0, place.flatten(), weight.flatten())
        return scores.masked_fill_(scores <= 0, -torch.inf).view(len(histories), items)

    def similar(self, items: NDArray[np.int64]) -> Tensor:
        chosen = torch.from_numpy(items).to(self.weights.device)
        scores = self.weights.new_full((len(items), len(self.neighbours)), -torch.inf)
        scores.scatter_(1, self.neighbours[chosen].long(), self.weights[chosen])
        scores[:, 0] = -torch.inf
        return scores

    def reasons(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.int64]:
        """The event whose item contributes most to the score; of equals the newest."""
        rows, k = items.shape
        wanted = torch.full((rows, len(self.neighbours)), -1, device=self.weights.device)
        nth = torch.arange(rows * k, device=wanted.device).view(rows, k)
        wanted.scatter_(1, torch.from_numpy(items).to(wanted.device).long(), nth)
        wanted[:, 0] = -1
        best = np.full(rows * k, NO_REASON, dtype=np.int64)
        heaviest = np.zeros(rows * k)
        for place, weight, event in self._contributions(histories):
            target = wanted.view(-1)[place]  # (pairs, k): which recommendation it speaks for
            hit = target >= 0
            slot, heavy = target[hit].cpu().numpy(), weight[hit].cpu().numpy()
            source = event[:, None].expand_as(target)[hit].cpu().numpy()
            order = np.lexsort((source, heavy))  # the last that is written stays
            better = heavy[order] > heaviest[slot[order]]
            best[slot[order][better]] = source[order][better]
            heaviest[slot[order][better]] = heavy[order][better]
        return best.reshape(rows, k)

    @property
    def _parts(self) -> tuple[Tensor, Tensor]:
        return self.neighbours, self.weights

    def _contributions(self, histories: Histories) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield what history items add to scores: place in (rows, items) flattened, weight, newest event.

        Places and weights are (pairs, k), events (pairs,); a user's pairs come in one piece.
        """
        device, items = self.weights.device, len(self.neighbours)
        tastes = tastes_of(histories, self.config.weights)
        counts = tastes.lengths * self.neighbours.shape[1]
        for first, last in pieces(counts, PAIRS_AT_ONCE):
            own = slice(tastes.offsets[first], tastes.offsets[last])
            item = torch.from_numpy(tastes.items[own]).to(device)
            row = torch.from_numpy(tastes.rows[own]).to(device)
            weight = torch.from_numpy(tastes.weights[own].astype(np.float32)).to(device)
            yield (
                row[:, None] * items + self.neighbours[item],
                self.weights[item] * weight[:, None],
                torch.from_numpy(tastes.newest[own]).to(device),
            )


def _neighbours(tastes: Tastes, n_items: int, config: ItemKnnConfig) -> tuple[Tensor, Tensor]:
    """Return the (n_items + 1, k) most similar items and their cosines, equal ones by the smaller item.

    Only items that have pairs are held against one another: time does not grow with the rest of the catalogue.
    """
    touched = np.bincount(tastes.items, minlength=n_items + 1) > 0
    known = torch.from_numpy(np.flatnonzero(touched))
    numbers = np.cumsum(touched) - 1  # an item's place among the known
    found, cosines = _among_known(replace(tastes, items=numbers[tastes.items]), len(known), config)
    neighbours = torch.zeros(n_items + 1, min(config.neighbours, n_items), dtype=torch.int32)
    weights = torch.zeros(neighbours.shape)
    neighbours[known, : found.shape[1]] = (known[found] * (cosines > 0)).int()
    weights[known, : found.shape[1]] = cosines
    return neighbours, weights


def _among_known(tastes: Tastes, items: int, config: ItemKnnConfig) -> tuple[Tensor, Tensor]:
    """Return (items, k) neighbours and cosines of items that all have pairs, blocks of items at a time.

    Items are numbered from 0; a cosine of 0 stands for no neighbour.
    """
    by_item = np.argsort(tastes.items, kind="stable")
    row_lengths = tastes.lengths
    pairs = np.bincount(tastes.items, row_lengths[tastes.rows], items)
    norms = np.sqrt(np.bincount(tastes.items, tastes.weights**2, items))
    item_starts = np.concatenate([[0], np.cumsum(np.bincount(tastes.items, minlength=items))])
    neighbours = torch.zeros(items, min(config.neighbours, items), dtype=torch.long)
    weights = torch.zeros(neighbours.shape)
    most = np.maximum(pairs, items * PAIRS_AT_ONCE / CELLS_AT_ONCE)
    for first, last in pieces(most, PAIRS_AT_ONCE):
        own = by_item[item_starts[first] : item_starts[last]]  # this block's (user, item) pairs
        lengths = row_lengths[tastes.rows[own]]
        other = ranges(tastes.offsets[tastes.rows[own]], lengths)  # with every item of the same user
        cell = np.repeat((tastes.items[own] - first) * items, lengths) + tastes.items[other]
        weight = np.repeat(tastes.weights[own], lengths) * tastes.weights[other]
        size = (last - first) * items
        dots = np.bincount(cell, weight, size).reshape(last - first, items)
        common = dots / np.maximum(norms[first:last, None] * norms, 1e-12)
        users = np.bincount(cell, minlength=size).reshape(dots.shape)
        cosine = torch.from_numpy(common * users / (users + config.shrinkage)).float()
        block = torch.arange(last - first)
        cosine[block, block + first] = 0  # no item is its own neighbour
        best, neighbours[first:last] = top_k(
            cosine.masked_fill_(cosine <= 0, -torch.inf), neighbours.shape[1]
        )
        weights[first:last] = best.clamp(min=0)
    return neighbours, weights
