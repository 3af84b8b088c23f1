"""Events as columns of numbers, and the CSV text of them: arrays come in, bytes come out."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_tasks.sample.plan import DAY_SECONDS

HEADER = b"user,item,event,time,arrived,amount\n"
ROWS_AT_ONCE = 500_000
_SPECIAL = re.compile('[,"\n\r]')

# What the numbers of `event`, `amount` and `odd_time` stand for; the values behind the clean ones are dirt.
EVENTS = ("view", "favourite", "cart", "purchase", "click", "share", "impression?")
VIEW, FAVOURITE, CART, PURCHASE = range(4)
AMOUNTS = ("", "1", "2", "3", "-1", "-2", "two", "1,5", "n/a", "1e12", "2500000000")
ODD_TIMES = ("yesterday", "31/02/2026", "2026-13-45T25:61:00Z", "")


@dataclass(frozen=True)
class Events:
    """Columns of equal length. `user` and `item` count from 0 in the lists of ids that the writer is given;
    `time` and `arrived` are unix seconds; `odd_time` is 0, or 1 + the place in ODD_TIMES of what stands
    where the time should."""

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    event: NDArray[np.int8]
    time: NDArray[np.int64]
    arrived: NDArray[np.int64]
    amount: NDArray[np.int8]
    odd_time: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "Events":
        """Return the events of these places, or where the mask is true."""
        return Events(*(getattr(self, field.name)[rows] for field in fields(self)))

    def in_order(self) -> "Events":
        """Return the events by arrival, then time, then ids."""
        return self.take(np.lexsort((self.event, self.item, self.user, self.time, self.arrived)))

    @classmethod
    def joined(cls, parts: Sequence["Events"]) -> "Events":
        """Return the events of all parts, one after the other."""
        if not parts:
            return cls.make(
                np.empty(0, np.int64), np.empty(0, np.int64), VIEW, np.empty(0, np.int64), np.empty(0)
            )
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    @classmethod
    def make(
        cls,
        user: NDArray[np.integer],
        item: NDArray[np.integer],
        event: int,
        time: NDArray[np.int64],
        arrived: NDArray[np.integer] | NDArray[np.floating],
        amount: NDArray[np.integer] | None = None,
    ) -> "Events":
        """Make events of one type; `amount` is 0 where there is none."""
        return cls(
            user.astype(np.int32),
            item.astype(np.int32),
            np.full(len(user), event, np.int8),
            time.astype(np.int64),
            arrived.astype(np.int64),
            np.zeros(len(user), np.int8) if amount is None else amount.astype(np.int8),
            np.zeros(len(user), np.int8),
        )


def csv_value(text: str) -> str:
    """Quote a value for CSV (RFC 4180) if it needs it."""
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def csv_values(texts: Iterable[str]) -> pa.Array:
    return pa.array([csv_value(text) for text in texts], pa.string())


def iso_times(seconds: NDArray[np.int64]) -> pa.Array:
    """Return unix seconds as texts such as 2026-06-30T08:15:00Z."""
    if not len(seconds):
        return pa.array([], pa.string())
    day, second = np.divmod(seconds, DAY_SECONDS)
    first, last = int(day.min()), int(day.max())
    dates = pa.array(
        np.datetime_as_string(np.arange(first, last + 1).astype("datetime64[D]")).tolist(), pa.string()
    )
    return pc.binary_join_element_wise(
        dates.take(pa.array(day - first)), _clock().take(pa.array(second)), "T"
    )


@cache
def _clock() -> pa.Array:
    """Return the text of every second of a day."""
    return pa.array(
        [f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}Z" for s in range(DAY_SECONDS)], pa.string()
    )


def csv_lines(columns: Sequence[pa.Array]) -> bytes:
    """Join columns of texts, quoted already where they must be, into lines that end in a line feed."""
    last = pc.binary_join_element_wise(columns[-1], "\n", "")
    lines = pc.binary_join_element_wise(*columns[:-1], last, ",")
    if not len(lines):
        return b""
    offsets = np.frombuffer(lines.buffers()[1], np.int32)
    return bytes(memoryview(lines.buffers()[2])[offsets[lines.offset] : offsets[lines.offset + len(lines)]])


def event_lines(events: Events, user_ids: pa.Array, item_ids: pa.Array) -> Iterator[bytes]:
    """Yield the CSV text of `events` in pieces; the ids are quoted texts."""
    amounts, names, odd_times = csv_values(AMOUNTS), csv_values(EVENTS), csv_values(ODD_TIMES)
    for begin in range(0, len(events), ROWS_AT_ONCE):
        part = events.take(slice(begin, begin + ROWS_AT_ONCE))
        odd = pa.array(part.odd_time > 0)
        times = iso_times(part.time)
        if part.odd_time.any():
            times = pc.if_else(odd, odd_times.take(pa.array(np.maximum(part.odd_time - 1, 0))), times)
        yield csv_lines(
            [
                user_ids.take(pa.array(part.user)),
                item_ids.take(pa.array(part.item)),
                names.take(pa.array(part.event)),
                times,
                iso_times(part.arrived),
                amounts.take(pa.array(part.amount)),
            ]
        )
