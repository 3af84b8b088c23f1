"""Who touched what, how seriously: histories in, each (user, item) pair once with its heaviest weight out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.data import Histories, length_batches, ranges
from pipeline_tasks.models.interface import NO_REASON


@dataclass(frozen=True)
class Tastes:
    """Users times items in CSR form: row r owns pairs offsets[r] .. offsets[r + 1], by item."""

    offsets: NDArray[np.int64]  # (rows + 1,)
    rows: NDArray[np.int64]  # (pairs,)
    items: NDArray[np.int64]  # (pairs,)
    weights: NDArray[np.float64]  # (pairs,)
    newest: NDArray[np.int64]  # (pairs,), the newest event of the pair

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Pairs of each row."""
        return np.diff(self.offsets)

    def drawn(self, generator: np.random.Generator, pairs: int) -> Iterator[NDArray[np.int64]]:
        """Yield rows that have pairs in random order, batches of about `pairs` pairs."""
        order = generator.permutation(np.flatnonzero(self.lengths))
        for first, last in pieces(self.lengths[order], pairs):
            yield order[first:last]

    def alike(self, pairs: int) -> Iterator[NDArray[np.int64]]:
        """Yield rows that have pairs, batches of about `pairs` pairs, of like length."""
        some = np.flatnonzero(self.lengths)
        for batch in length_batches(self.lengths[some], pairs):
            yield some[batch]

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of these rows' pairs, one row after another."""
        return ranges(self.offsets[rows], self.lengths[rows])

    def padded(self, rows: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Return items, weights and newest events of these rows, (rows, longest); item 0 is padding."""
        lengths = self.lengths[rows]
        nth = np.arange(lengths.max(initial=0))
        there = nth < lengths[:, None]  # (rows, longest)
        pairs = np.where(there, self.offsets[rows][:, None] + nth, 0)
        items = torch.from_numpy(np.where(there, self.items[pairs], 0))
        weights = torch.from_numpy(np.where(there, self.weights[pairs], 0.0)).float()
        newest = torch.from_numpy(np.where(there, self.newest[pairs], NO_REASON))
        return items.to(device), weights.to(device), newest.to(device)


def tastes_of(histories: Histories, weights: Sequence[float]) -> Tastes:
    """Return the pairs of `histories` whose weight, by `weights` of the event types, is above zero."""
    own = np.asarray(weights)[histories.types]
    events = np.arange(len(histories.items))
    rows, items = histories.row_of_event, histories.items.astype(np.int64)
    order = np.lexsort((events, items, rows))
    starts = np.flatnonzero(
        (np.diff(rows[order], prepend=-1) != 0) | (np.diff(items[order], prepend=-1) != 0)
    )
    if not len(starts):
        return Tastes(np.zeros(len(histories) + 1, np.int64), rows, items, own.astype(np.float64), events)
    heaviest = np.maximum.reduceat(own[order], starts)
    newest = np.maximum.reduceat(events[order], starts)
    kept = heaviest > 0
    first = order[starts][kept]
    counts = np.bincount(rows[first], minlength=len(histories))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Tastes(offsets, rows[first], items[first], heaviest[kept], newest[kept])


def heaviest_event(contributions: Tensor, newest: Tensor, items: Tensor) -> Tensor:
    """Return (rows, k), for each of `items` the event that adds most to its score; of equals the newest.

    `contributions` are (rows, pairs, k), `newest` (rows, pairs), NO_REASON for padding. What nothing speaks
    for has no reason, nor has item 0.
    """
    padding = (newest == NO_REASON)[:, :, None]
    best = contributions.masked_fill(padding, 0.0).amax(1, keepdim=True)  # (rows, 1, k)
    leading = (contributions == best) & (best > 0) & ~padding
    events = torch.where(leading, newest[:, :, None], NO_REASON).amax(1)  # (rows, k)
    return events.masked_fill(items == 0, NO_REASON)


def pieces(sizes: NDArray[np.number], budget: int) -> Iterator[tuple[int, int]]:
    """Yield (first, last) runs of rows whose sizes sum to about `budget`, at least a row each."""
    piece = (np.cumsum(sizes) // budget).astype(np.int64)
    edges = [*np.flatnonzero(np.diff(piece, prepend=-1)).tolist(), len(sizes)]
    yield from pairwise(edges)
