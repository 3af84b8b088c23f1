"""Lists of different lengths in one array in; how many values each has, or what two share, out: for all lists at once.

Lists of one length are a matrix. Numpy sorts its rows in a small part of the time that sorting all values by list takes,
which is itself a small part of what hashing them takes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
# of a matrix, so that it stays in the processor's cache while it is sorted
VALUES_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class Ragged:
    """Lists of whole numbers: list l is values[starts[l] : starts[l] + sizes[l]]."""

    values: NDArray[Any]
    starts: Whole
    sizes: Whole

    def taken(self, lists: Whole) -> "Ragged":
        """Return the lists of these numbers, in this order."""
        return Ragged(self.values, self.starts[lists], self.sizes[lists])

    def rows(self, lists: Whole) -> NDArray[Any]:
        """Return lists of one length as a matrix, a row each."""
        size = self.sizes[lists[0]]
        return self.values[self.starts[lists, None] + np.arange(size)]


def distinct(lists: Ragged) -> Whole:
    """Return how many different values each list has."""
    found = np.zeros(len(lists.sizes), np.int64)
    for alike in _of_like_sizes(lists.sizes):
        rows = np.sort(lists.rows(alike), axis=1)
        found[alike] = (rows[:, 1:] != rows[:, :-1]).sum(axis=1) + min(1, rows.shape[1])
    return found


def shared(a: Ragged, b: Ragged) -> Whole:
    """Return how many different values each list of `a` shares with the list of `b` that has its number.

    Values are of 31 bits.
    """
    found = np.zeros(len(a.sizes), np.int64)
    for alike in _of_like_sizes(a.sizes, b.sizes):
        # the last bit says whose a value is: where a value is both lists', its last of a lies before its first of b
        rows = np.concatenate([a.rows(alike) << 1, (b.rows(alike) << 1) + 1], axis=1)
        rows.sort(axis=1)
        found[alike] = ((rows[:, 1:] ^ rows[:, :-1]) == 1).sum(axis=1)
    return found


def equal(a: Ragged, b: Ragged) -> NDArray[np.bool_]:
    """Return whether each list of `a` has the values, in the order, of the list of `b` that has its number."""
    found = np.zeros(len(a.sizes), np.bool_)
    for alike in _of_like_sizes(a.sizes, b.sizes):
        found[alike] = a.sizes[alike[0]] == b.sizes[alike[0]] and (a.rows(alike) == b.rows(alike)).all(axis=1)
    return found


def _of_like_sizes(*sizes: Whole) -> Iterator[Whole]:
    """Yield the numbers of lists that are alike in each of the sizes, as many at a time as have VALUES_AT_ONCE."""
    order = np.lexsort(sizes)
    ordered = np.stack(sizes)[:, order]
    starts = np.flatnonzero((np.diff(ordered, prepend=-1) != 0).any(axis=0))
    for start, end in pairwise([*starts, len(order)]):
        at_once = max(1, VALUES_AT_ONCE // max(1, int(ordered[:, start].sum())))
        for first in range(start, end, at_once):
            yield order[first : min(end, first + at_once)]
