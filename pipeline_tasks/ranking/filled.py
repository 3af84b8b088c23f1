"""Lists of consecutive rows while they are made: items, scores, and where each place comes from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SOURCES = ("model", "popular", "pinned")
MODEL, POPULAR, PINNED = range(3)


@dataclass(frozen=True)
class Filled:
    """(rows, k) items, 0 where there are no more, their scores, and which of SOURCES made each place.

    `reasons` are items of the user's own history for what the model ranked, and else numbers of lists.
    """

    first: int
    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    sources: NDArray[np.int8]
    reasons: NDArray[np.int32]

    @classmethod
    def empty(cls, first: int, rows: int, k: int) -> "Filled":
        """Return lists without any item."""
        kinds = (np.int32, np.float32, np.int8, np.int32)
        return cls(first, *(np.zeros((rows, k), kind) for kind in kinds))

    def taken(self, columns: NDArray[np.int64]) -> "Filled":
        """Return each row's `columns` (rows, k), -1 for none."""
        return self._each(
            lambda v: np.where(columns >= 0, np.take_along_axis(v, np.maximum(columns, 0), 1), 0)
        )

    def rows(self, rows: NDArray[np.int64]) -> "Filled":
        """Return a copy of these rows."""
        return self._each(lambda values: values[rows])

    def beside(self, other: "Filled") -> "Filled":
        """Return the same rows with the columns of both."""
        pairs = zip(self._values(), other._values(), strict=True)
        return Filled(self.first, *(np.concatenate(pair, axis=1) for pair in pairs))

    def put(self, rows: NDArray[np.int64], other: "Filled") -> None:
        """Write the other's rows over these."""
        for own, others in zip(self._values(), other._values(), strict=True):
            own[rows] = others

    def falling(self) -> "Filled":
        """Return the same with scores that never rise down a list: what was lifted has that of the best below it.

        What has no score, which is -inf, has the lowest of its list, or that of the best below it.
        """
        there = self.items > 0
        known = there & np.isfinite(self.scores)
        lowest = np.where(known, self.scores, np.inf).min(1, initial=np.inf, keepdims=True)
        lowest[np.isinf(lowest)] = 0.0
        scores = np.where(there, np.where(known, self.scores, lowest), -np.inf)
        lifted = np.maximum.accumulate(scores[:, ::-1], axis=1)[:, ::-1]
        scores = np.where(there, lifted, 0.0).astype(np.float32)
        return Filled(self.first, self.items, scores, self.sources, self.reasons)

    def _values(self) -> tuple[NDArray[Any], ...]:
        return self.items, self.scores, self.sources, self.reasons

    def _each(self, change: Any) -> "Filled":
        return Filled(self.first, *(change(values).astype(values.dtype) for values in self._values()))


def filled_of(first: int, items: NDArray[np.int32], scores: NDArray[np.float32]) -> Filled:
    """Return lists that a model has ranked; where there is no item there is no score."""
    lists = Filled.empty(first, *items.shape)
    lists.items[:], lists.scores[:] = items, np.where(items > 0, scores, 0)
    return lists
