"""Sequences and what the holdout is chosen by, whatever batches the events come in."""

from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from pipeline_tasks.dataset import engine, events
from pipeline_tasks.errors import Refused
from pipeline_tasks.evaluation.splits import choose_holdout
from tests.builders import moment

ROWS = [(1, 5, 1, 10), (1, 6, 2, 20), (2, 5, 1, 5), (4, 7, 1, 1), (4, 7, 1, 2), (4, 8, 3, 2)]
FOLDED = [
    {"user_index": 1, "items": [5, 6], "types": [1, 2], "times": [10, 20]},
    {"user_index": 2, "items": [5], "types": [1], "times": [5]},
    {"user_index": 4, "items": [7, 7, 8], "types": [1, 1, 3], "times": [1, 2, 2]},
]


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    yield connection
    connection.close()


def batches(size: int) -> list[pa.RecordBatch]:
    names = ["user_index", "item_index", "type", "time"]
    table = pa.table(dict(zip(names, zip(*ROWS, strict=True), strict=True)))
    return table.to_batches(max_chunksize=size)


def number_ids(database: duckdb.DuckDBPyConnection, **known: int) -> None:
    for table, count in known.items():
        numbers, key = range(1, count + 1), table[:-1]
        columns = {f"{key}_id": [f"{key[0]}{number}" for number in numbers], f"{key}_index": list(numbers)}
        database.register(f"known_{table}", pa.table(columns))


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_users_events_become_one_row_however_they_are_batched(size: int) -> None:
    folded = pa.Table.from_batches(events.sequences(batches(size)), events.SEQUENCES)
    assert folded.to_pylist() == FOLDED


def test_no_events_make_no_rows() -> None:
    assert list(events.sequences([])) == []
    assert [batch.num_rows for batch in events.sequences([batches(9)[0].slice(0, 0)])] == [0, 0]


def test_events_are_ordered_by_time_then_item_then_type(database: duckdb.DuckDBPyConnection) -> None:
    noon = moment("2026-01-01 12:00:00")
    rows = [(1, 9, "view"), (1, 3, "cart"), (1, 3, "view"), (1, 2, "gone")]
    clean = [
        {"user_id": f"u{user}", "item_id": f"i{item}", "event_type": kind, "event_time": noon}
        for user, item, kind in rows
    ]
    later = {**clean[0], "item_id": "i1", "event_time": noon.replace(microsecond=1)}
    database.register("clean_interactions", pa.Table.from_pylist([later, *clean]))
    number_ids(database, users=1, items=9)
    events.define_events(database, ["view", "cart"])
    (found,) = pa.Table.from_batches(events.sorted_events(database)).select([1, 2, 3]).to_batches()
    seconds = int(noon.timestamp())
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        (3, 1, seconds),
        (3, 2, seconds),
        (9, 1, seconds),
        (1, 1, seconds),  # a microsecond later
    ]


def test_an_event_without_a_number_is_refused_and_never_left_out(database: duckdb.DuckDBPyConnection) -> None:
    row = {
        "user_id": "u1",
        "item_id": "i2",
        "event_type": "view",
        "event_time": moment("2026-01-01 12:00:00"),
    }
    database.register("clean_interactions", pa.Table.from_pylist([row]))
    number_ids(database, users=1, items=1)
    with pytest.raises(Refused, match=r"1 events are of users or items .* \(run validate and what follows"):
        events.define_events(database, ["view"])


@pytest.mark.parametrize("novel", [False, True])
def test_the_evidence_gives_the_same_holdout_as_all_events_that_count(
    database: duckdb.DuckDBPyConnection, novel: bool
) -> None:
    generator = np.random.default_rng(3)
    users, items = generator.integers(1, 60, 400), generator.integers(1, 9, 400)
    times = generator.integers(0, 90 * 86_400, 400)
    table = {"user_index": users, "item_index": items, "time_us": times * 1_000_000 + 7}
    database.register("events", pa.table(table))
    order = np.argsort(times, kind="stable")
    first = order[np.unique(users[order] * 10 + items[order], return_index=True)[1]]
    all_users, all_times = (users[first], times[first]) if novel else (users, times)
    end = 90 * 86_400
    for min_users, max_days in ((1, 28), (20, 28), (30, 5), (1000, 28)):
        kept = events.evidence(database, end, max_days, novel=novel)
        assert len(kept[0]) < len(users)
        assert choose_holdout(*kept, end, min_users, max_days) == choose_holdout(
            all_users, all_times, end, min_users, max_days
        )


def test_row_groups_are_the_same_however_the_rows_come(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("groups")
    table = pa.table({"n": pa.array(range(10), pa.int64()), "list": [[n] * (n % 3) for n in range(10)]})
    made = []
    for size in (1, 3, 10):
        path = folder / f"{size}.parquet"
        assert engine.write_row_groups(path, table.schema, table.to_batches(max_chunksize=size), 4) == 10
        made.append(path.read_bytes())
    assert made[0] == made[1] == made[2]
