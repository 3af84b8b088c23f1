"""Labelled ranking examples: a sample of events and items drawn against them, with what they are keyed by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline_tasks.dataset.engine import columns
from pipeline_tasks.dataset.events import DAY, SECOND
from pipeline_tasks.dataset.negatives import draw_negatives, log_expected, pair_keys

FIELDS = [
    "example_group",
    "user_index",
    "item_index",
    "label",
    "time",
    "warm",
    "log_expected",
]


@dataclass(frozen=True)
class Positives:
    """Events taken as examples, oldest first; all arrays have one value an event."""

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    times_us: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.users)


def sampled_events(
    engine: duckdb.DuckDBPyConnection, start_us: int, end_us: int, limit: int, seed: int
) -> Positives:
    """Return the events of [start, end), of more than `limit` so many of them: each is as likely as any other."""
    query = """
        SELECT user_index, item_index, time_us FROM (
            SELECT * FROM events WHERE time_us >= $1 AND time_us < $2
            ORDER BY hash(user_index, item_index, type, time_us, $4), user_index, item_index, type, time_us
            LIMIT $3
        ) ORDER BY time_us, user_index, item_index, type
    """
    found = columns(engine, query, [start_us, end_us, limit, seed])
    return Positives(found["user_index"], found["item_index"], found["time_us"])


def labelled(
    engine: duckdb.DuckDBPyConnection,
    positives: Positives,
    first_seen: NDArray[np.int64],
    cut_us: int,
    negatives: int,
    seed: Sequence[int],
) -> pa.Table:
    """Return the positives, each followed by the items drawn against it, as a table of FIELDS and time_us.

    A group is a positive with its negatives, which know nothing from the cut on; `warm` says whether its user and
    item had an event before its day began; `log_expected` is the logarithm of how often the item is drawn against
    a positive.
    """
    counts = _counts(engine, len(first_seen), cut_us)
    drawn = _draw(engine, positives, first_seen, counts, cut_us, negatives, seed)
    items = np.concatenate([positives.items[:, None], drawn], axis=1)  # (positives, 1 + negatives)
    group, place = np.nonzero(items)
    times = positives.times_us[group]
    return pa.table(
        {
            "example_group": group.astype(np.int64),
            "user_index": positives.users[group],
            "item_index": items[group, place].astype(np.int32),
            "label": (place == 0).astype(np.int8),
            "time": times // SECOND,
            "warm": _warm(engine, positives)[group],
            "log_expected": log_expected(counts, negatives)[items[group, place]],
            "time_us": times,
        }
    )


def keyed(engine: duckdb.DuckDBPyConnection, examples: pa.Table) -> pa.Table:
    """Return the examples in order with user_id, item_id, hour_of_week and event_timestamp (UTC).

    Reads the views known_users and known_items.
    """
    engine.register("examples", examples)
    # Unix time begins in the hour 72 of the week (0 = Monday 00:00)
    found = engine.sql("""
        SELECT examples.*, user_id, item_id, (time // 3600 + 72) % 168 AS hour_of_week
        FROM examples
        JOIN known_users USING (user_index)
        JOIN known_items USING (item_index)
        ORDER BY example_group, label DESC, item_index
    """).to_arrow_table()
    engine.unregister("examples")
    stamps = found["time_us"].cast(pa.timestamp("us", "UTC"))
    return found.append_column("event_timestamp", stamps).drop_columns("time_us")


def _counts(engine: duckdb.DuckDBPyConnection, n: int, cut_us: int) -> NDArray[np.int64]:
    """Return the events before the cut of each of the items 0 .. n - 1."""
    counts = np.zeros(n, np.int64)
    query = "SELECT item_index, count(*) AS n FROM events WHERE time_us < $1 GROUP BY item_index"
    found = columns(engine, query, [cut_us])
    counts[found["item_index"]] = found["n"]
    return counts


def _draw(
    engine: duckdb.DuckDBPyConnection,
    positives: Positives,
    first_seen: NDArray[np.int64],
    counts: NDArray[np.int64],
    cut_us: int,
    each: int,
    seed: Sequence[int],
) -> NDArray[np.int32]:
    engine.register("asked", pa.table({"user_index": np.unique(positives.users)}))
    query = """
        SELECT DISTINCT user_index, item_index FROM events SEMI JOIN asked USING (user_index)
        WHERE time_us < $1
    """
    pairs = columns(engine, query, [cut_us])
    seen = np.sort(pair_keys(pairs["user_index"], pairs["item_index"], len(counts)))
    times = positives.times_us // SECOND
    generator = np.random.default_rng(list(seed))
    return draw_negatives(positives.users, times, seen, counts, first_seen, each, generator)


def _warm(engine: duckdb.DuckDBPyConnection, positives: Positives) -> NDArray[np.bool_]:
    midnight = positives.times_us - positives.times_us % (DAY * SECOND)
    engine.register("asked", pa.table({"user_index": np.unique(positives.users)}))
    users = columns(engine, """
        SELECT user_index AS key, min(time_us) AS first FROM events SEMI JOIN asked USING (user_index)
        GROUP BY user_index ORDER BY user_index
    """)  # fmt: skip
    items = columns(engine, """
        SELECT item_index AS key, min(time_us) AS first FROM events GROUP BY item_index ORDER BY item_index
    """)  # fmt: skip
    return (_first(users, positives.users) < midnight) & (_first(items, positives.items) < midnight)


def _first(firsts: dict[str, NDArray[Any]], keys: NDArray[np.int32]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = firsts["first"][np.searchsorted(firsts["key"], keys)]
    return found
