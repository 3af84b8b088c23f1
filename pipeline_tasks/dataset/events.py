"""All clean events of a night's history by the night's own integers; `events`, and what it tells, out.

`events` has user_index, item_index, type (position among the source's event types, from 1) and time_us.
"""

from collections.abc import Iterable, Iterator, Sequence

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline_tasks.dataset.engine import ROWS_A_BATCH, columns
from pipeline_tasks.errors import Refused

SECOND = 1_000_000
DAY = 86_400
SEQUENCES = pa.schema(
    {
        "user_index": pa.int32(),
        "items": pa.list_(pa.int32()),
        "types": pa.list_(pa.int8()),
        "times": pa.list_(pa.int64()),
    }
)


def define_events(engine: duckdb.DuckDBPyConnection, event_types: Sequence[str]) -> None:
    """Make the table `events` of the views clean_interactions, known_users and known_items.

    Events of types that the settings declare no more are left out of it. Raises Refused where a user or an item has no
    integer.
    """
    types = pa.table(
        {
            "event_type": pa.array(event_types, pa.string()),
            "type": pa.array(range(1, len(event_types) + 1), pa.int8()),
        }
    )
    engine.register("event_types", types)
    engine.execute("""
        CREATE TEMP TABLE events AS
        SELECT known_users.user_index, known_items.item_index, type, epoch_us(event_time) AS time_us
        FROM clean_interactions JOIN event_types USING (event_type)
        LEFT JOIN known_users USING (user_id) LEFT JOIN known_items USING (item_id)
    """)
    query = "SELECT count(*) FROM events WHERE user_index IS NULL OR item_index IS NULL"
    (unknown,) = engine.execute(query).fetchall()[0]
    if unknown:
        raise Refused(
            f"{unknown:,} events are of users or items that the night's vocabulary does not know: an earlier night was "
            "run after it was made",
            "run validate and what follows for this night again",
        )


def sorted_events(engine: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    """Yield all events in batches, by user, then time, item and type; times in seconds."""
    query = """
        SELECT user_index, item_index, type, time_us // 1000000 AS time FROM events
        ORDER BY user_index, time_us, item_index, type
    """
    yield from engine.sql(query).to_arrow_reader(ROWS_A_BATCH)


def sequences(events: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Fold events that are sorted by user into one row a user; holds one batch, and one user's events."""
    held: pa.Table | None = None
    for batch in events:
        arrived = pa.Table.from_batches([batch])
        held = arrived if held is None else pa.concat_tables([held, arrived])
        users = held["user_index"].to_numpy()
        whole = int(np.searchsorted(users, users[-1])) if len(users) else 0  # the last user may go on
        yield _fold(held.slice(0, whole))
        held = held.slice(whole)
    if held is not None:
        yield _fold(held)


def _fold(events: pa.Table) -> pa.RecordBatch:
    users = events["user_index"].to_numpy()
    starts = np.flatnonzero(np.diff(users, prepend=-1))
    offsets = pa.array(np.append(starts, len(users)), pa.int32())
    lists = [
        pa.ListArray.from_arrays(
            offsets, events[name].combine_chunks().cast(SEQUENCES.field(field).type.value_type)
        )
        for name, field in (("item_index", "items"), ("type", "types"), ("time", "times"))
    ]
    return pa.record_batch([pa.array(users[starts], pa.int32()), *lists], schema=SEQUENCES)


def evidence(
    engine: duckdb.DuckDBPyConnection, end_seconds: int, max_days: int, *, novel: bool
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return (user_index, seconds) of the last `max_days` days' events and of every user's first event.

    No other event can change who is warm at a cut within these days. With `novel`, where seen items are never
    recommended, only a user's first events with an item are among them: others cannot be measured.
    """
    since = (end_seconds - max_days * DAY) * SECOND
    recent = "SELECT * FROM events WHERE time_us >= $1"
    if novel:
        recent = f"""
            SELECT user_index, min(time_us) AS time_us FROM events SEMI JOIN ({recent}) USING (user_index, item_index)
            GROUP BY user_index, item_index HAVING min(time_us) >= $1
        """  # noqa: S608 - nothing of it comes from outside
    query = f"""
        SELECT user_index, time_us // 1000000 AS time FROM ({recent})
        UNION ALL SELECT user_index, min(time_us) // 1000000 FROM events GROUP BY user_index
    """  # noqa: S608
    found = columns(engine, query, [since])
    return found["user_index"].astype(np.int32), found["time"].astype(np.int64)
