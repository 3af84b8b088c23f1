"""What each list may not hold, whatever its score: (row, item) pairs in, the items of any rows out."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.models.data import Histories


@dataclass(frozen=True)
class Barred:
    """Row r may not be given the items offsets[r] .. offsets[r + 1]; an item may stand there more than once."""

    offsets: NDArray[np.int64]  # (rows + 1,)
    items: NDArray[np.int32]

    @classmethod
    def seen(cls, histories: Histories) -> Self:
        """Return every item of every history."""
        return cls(histories.offsets, histories.items)

    @classmethod
    def of_pairs(cls, rows: int, row: NDArray[np.int64], item: NDArray[np.int32]) -> Self:
        """Return the pairs, each once."""
        return cls._of_keys(rows, _keys(row, item))

    def also(self, row: NDArray[np.int64], item: NDArray[np.int32]) -> "Barred":
        """Return the same with these pairs, each once; its own are as `of_pairs` leaves them, and not sorted again."""
        own, more = self.row_of_item << 32 | self.items, _keys(row, item)
        place = np.searchsorted(own, more)
        there = np.append(own, -1)[place] == more
        return self._of_keys(len(self), np.insert(own, place[~there], more[~there]))

    @classmethod
    def _of_keys(cls, rows: int, keys: NDArray[np.int64]) -> Self:
        offsets = np.concatenate([[0], np.cumsum(np.bincount(keys >> 32, minlength=rows))])
        return cls(offsets.astype(np.int64), keys.astype(np.int32))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def rows(self, some: slice) -> "Barred":
        """Return these consecutive rows."""
        first, last, _ = some.indices(len(self))
        offsets = self.offsets[first : last + 1]
        return Barred(offsets - offsets[0], self.items[offsets[0] : offsets[-1]])

    @property
    def row_of_item(self) -> NDArray[np.int64]:
        """The row that each item belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def bars(self, item: int) -> NDArray[np.bool_]:
        """Say of each row whether it may not be given the item."""
        barred = np.zeros(len(self), np.bool_)
        barred[self.row_of_item[self.items == item]] = True
        return barred

    def among(self, items: NDArray[np.int32], n_items: int) -> NDArray[np.bool_]:
        """Return (rows, len(items)): which of these distinct items each row may not be given."""
        place = np.full(n_items + 1, -1, np.int64)
        place[items] = np.arange(len(items))
        found = place[self.items]
        barred = np.zeros((len(self), len(items)), np.bool_)
        barred[self.row_of_item[found >= 0], found[found >= 0]] = True
        return barred


def _keys(row: NDArray[np.int64], item: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return a number for each different pair, sorted as they are: the item is its lower half."""
    keys = np.sort(row.astype(np.int64) << 32 | item)
    each: NDArray[np.int64] = keys[np.diff(keys, prepend=-1) != 0]
    return each  # NumPy's unique hashes whole numbers, which takes far longer
