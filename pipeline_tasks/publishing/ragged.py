"""Lists of different lengths in one array in; how many values each has, or two share, out: for all lists at once.

Lists of one length are a matrix. Numpy sorts its rows in a small part of the time that sorting all values by list takes,
which is itself a small part of what hashing them takes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
# of a matrix, so that it stays in the processor's cache while it is sorted
LISTS_AT_ONCE = 1 << 13


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
    for alike in _of_one_kind(lists.sizes):
        rows = np.sort(lists.rows(alike), axis=1)
        found[alike] = (rows[:, 1:] != rows[:, :-1]).sum(axis=1) + min(1, rows.shape[1])
    return found


def shared(a: Ragged, b: Ragged) -> Whole:
    """Return how many different values each list of `a` shares with the list of `b` that has its number.

    Values are of 31 bits.
    """
    found = np.zeros(len(a.sizes), np.int64)
    for alike in _of_one_kind(a.sizes * (b.sizes.max(initial=0) + 1) + b.sizes):
        # the last bit says whose a value is: where a value is both lists', its last of a lies before its first of b
        rows = np.concatenate([a.rows(alike) << 1, (b.rows(alike) << 1) + 1], axis=1)
        rows.sort(axis=1)
        found[alike] = ((rows[:, 1:] ^ rows[:, :-1]) == 1).sum(axis=1)
    return found


def _of_one_kind(kinds: Whole) -> Iterator[Whole]:
    """Yield the places of equal numbers, not too many at a time."""
    order = np.argsort(kinds, kind="stable")
    ends = [*(np.flatnonzero(np.diff(kinds[order])) + 1), len(order)]
    for start, end in zip([0, *ends], ends, strict=False):
        for first in range(start, end, LISTS_AT_ONCE):
            yield order[first : min(end, first + LISTS_AT_ONCE)]
