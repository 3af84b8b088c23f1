"""What models read: users' histories in CSR form, the catalogue, and padded windows of events as tensors.

Users and items are integers from 1; item 0 is padding. Event types are 1..n_types, type 0 is padding.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.evaluation.splits import DAY_SECONDS

GAP_BUCKETS = 32
# mean cosine of items' contents at which two nights' contents are of one space
SAME_SPACE = 0.99


@dataclass(frozen=True)
class Histories:
    """The events of users, one user a row, oldest first: row r owns events offsets[r] .. offsets[r + 1]."""

    users: NDArray[np.int32]  # (rows,)
    offsets: NDArray[np.int64]  # (rows + 1,)
    items: NDArray[np.int32]  # (events,)
    types: NDArray[np.int8]  # (events,)
    times: NDArray[np.int64]  # (events,), Unix seconds

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """Read a table of user_index, items, types, times: one row a user, events as lists."""
        lengths = table.column("items").combine_chunks().value_lengths().to_numpy(zero_copy_only=False)
        return cls(
            table.column("user_index").to_numpy().astype(np.int32),
            _offsets(lengths),
            _flat(table, "items").astype(np.int32),
            _flat(table, "types").astype(np.int8),
            _flat(table, "times").astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.users)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Events of each row."""
        return np.diff(self.offsets)

    @property
    def row_of_event(self) -> NDArray[np.int64]:
        """The row that each event belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def where(self, keep: NDArray[np.bool_]) -> "Histories":
        """Return the histories of the kept events only; users left without any are dropped."""
        counts = np.bincount(self.row_of_event[keep], minlength=len(self))
        some = counts > 0
        return Histories(
            self.users[some], _offsets(counts[some]), self.items[keep], self.types[keep], self.times[keep]
        )

    def before(self, seconds: int) -> "Histories":
        """Return what had happened before the moment."""
        return self.where(self.times < seconds)

    def since(self, seconds: int) -> "Histories":
        """Return what happened at the moment or after it."""
        return self.where(self.times >= seconds)

    def rows(self, rows: NDArray[np.integer[Any]] | slice) -> "Histories":
        """Return these rows, in this order."""
        starts = self.offsets[:-1][rows]
        lengths = self.offsets[1:][rows] - starts
        events = ranges(starts, lengths)
        return Histories(
            self.users[rows], _offsets(lengths), self.items[events], self.types[events], self.times[events]
        )

    def of_everyone(self, users: int) -> "Histories":
        """Return a row for each of the users 1..users in their order, empty for one without events; rows are by user."""
        lengths = np.zeros(users, dtype=np.int64)
        lengths[self.users - 1] = self.lengths
        return Histories(
            np.arange(1, users + 1, dtype=np.int32), _offsets(lengths), self.items, self.types, self.times
        )

    def last(self, events: int) -> "Histories":
        """Return every user's newest events only, at most so many."""
        lengths = np.minimum(self.lengths, events)
        kept = ranges(self.offsets[1:] - lengths, lengths)
        return Histories(self.users, _offsets(lengths), self.items[kept], self.types[kept], self.times[kept])

    def mixed(self, chances: NDArray[np.float64]) -> "Histories":
        """Return the same events, a user's of one day (UTC) ordered by `chances` (events,); times stay where they are."""
        order = np.lexsort((chances, self.times // DAY_SECONDS, self.row_of_event))
        return Histories(self.users, self.offsets, self.items[order], self.types[order], self.times)

    def novel(self) -> NDArray[np.bool_]:
        """Say of each event whether it is the user's first with the item."""
        _, first = np.unique(
            self.row_of_event * (int(self.items.max(initial=0)) + 1) + self.items, return_index=True
        )
        novel = np.zeros(len(self.items), dtype=bool)
        novel[first] = True
        return novel

    def gap_buckets(self) -> NDArray[np.int8]:
        """Return of each event the logarithm of the seconds since the user's previous one, from 1; 0 for the first."""
        gaps = np.diff(self.times, prepend=self.times[:1])
        buckets = 1 + np.log2(1.0 + np.maximum(gaps, 0)).astype(np.int8)
        buckets[self.offsets[:-1][self.lengths > 0]] = 0
        return np.minimum(buckets, GAP_BUCKETS - 1)


@dataclass(frozen=True)
class Catalogue:
    """The known items: `content` holds a row an item (row 0 is padding), zeros for one without content."""

    content: NDArray[np.float32]  # (n_items + 1, width)

    @property
    def n_items(self) -> int:
        return len(self.content) - 1

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """Read a table of item_index (1, 2, … in order) and content (lists of one width)."""
        rows = table.num_rows
        flat = _flat(table, "content").astype(np.float32)
        content = flat.reshape(rows, len(flat) // rows if rows else 0)
        return cls(np.concatenate([np.zeros((1, content.shape[1]), np.float32), content]))

    def aligned(self, fitted: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the content in the space of `fitted`, the content of the first items as a model was fitted on it.

        Encoders are fitted anew now and then, which turns the space. Where it has moved, items keep their old
        content, and new ones are carried over by the linear map that fits the items that both have.
        """
        old = len(fitted)
        both = np.flatnonzero(fitted.any(1) & self.content[:old].any(1))
        if self.content.shape[1] == fitted.shape[1]:
            alike = (fitted[both] * self.content[both]).sum(1).mean() if len(both) else 1.0
            if alike > SAME_SPACE:
                return self.content
        aligned = np.zeros((len(self.content), fitted.shape[1]), np.float32)
        aligned[:old] = fitted
        if len(both):
            carry = np.linalg.lstsq(self.content[both], fitted[both], rcond=None)[0]
            new = self.content[old:] @ carry
            lengths = np.linalg.norm(new, axis=1, keepdims=True)
            aligned[old:] = np.divide(new, lengths, out=np.zeros_like(new), where=lengths > 0)
        return aligned


@dataclass(frozen=True)
class Windows:
    """Runs of consecutive events: window w is events starts[w] .. stops[w]."""

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        return self.stops - self.starts

    def __getitem__(self, chosen: NDArray[np.integer[Any]]) -> "Windows":
        return Windows(self.starts[chosen], self.stops[chosen])


def newest_windows(histories: Histories, length: int) -> Windows:
    """Return a window a user: the newest `length` events."""
    stops = histories.offsets[1:]
    return Windows(stops - np.minimum(histories.lengths, length), stops)


def training_windows(histories: Histories, length: int) -> Windows:
    """Cut every history, from its end, into windows of `length` inputs and the target after each.

    Neighbours share one event, the last target of one and the first input of the next, so that every event
    but a user's first is a target exactly once. Users with one event have no window.
    """
    targets = np.maximum(histories.lengths - 1, 0)
    pieces = -(-targets // length)  # 0 where there is no target
    row = np.repeat(np.arange(len(histories)), pieces)
    nth = ranges(np.zeros(len(histories), np.int64), pieces)
    stops = histories.offsets[1:][row] - nth * length
    return Windows(np.maximum(stops - length - 1, histories.offsets[:-1][row]), stops)


def length_batches(
    lengths: NDArray[np.int64], events: int, generator: np.random.Generator | None = None
) -> Iterator[NDArray[np.int64]]:
    """Yield batches of window numbers of like length, about `events` each, so that little padding is computed on.

    With a generator, windows of like length and the batches themselves come in random order.
    """
    order = generator.permutation(len(lengths)) if generator else np.arange(len(lengths))
    order = order[np.argsort(-(lengths[order] // 4), kind="stable")]
    batches, start = [], 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        batches.append(order[start : start + max(1, events // longest)])
        start += len(batches[-1])
    for turn in generator.permutation(len(batches)) if generator else range(len(batches)):
        yield batches[turn]


def pad(values: NDArray[Any], windows: Windows, device: torch.device) -> Tensor:
    """Return the windows' values as (windows, longest) int64, zeros after a window's end."""
    lengths = windows.lengths
    padded = np.zeros((len(lengths), int(lengths.max(initial=0))), dtype=np.int64)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = values[ranges(windows.starts, lengths)]
    return torch.from_numpy(padded).to(device)


def ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return start, start + 1, … of every (start, length), one after another."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - ends + lengths, lengths)


def _offsets(lengths: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _flat(table: pa.Table, column: str) -> NDArray[Any]:
    values: NDArray[Any] = table.column(column).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values
