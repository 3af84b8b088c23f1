"""Items and users are snapshots: what was known at the night's end, or what the interactions tell."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.settings import Settings
from tests.sources_on_disk import declare, write_csv, write_interactions, write_items
from tests.stages.taking_in import FIRST, SECOND, rows, take

Make = Callable[..., Settings]

pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_items_and_users_are_what_was_known_at_the_nights_end(
    make_settings: Make, lake: Any, data: Path
) -> None:
    write_interactions(data, "u1,i1,view,2026-01-10T12:00:00Z")
    write_items(
        data,
        [
            {"item": "i1", "title": "always", "tags": ["a", "b"], "price": 1},
            {"item": "i1", "updated_at": "2026-01-10T23:59:59Z", "price": "2.50"},
            {"item": "i1", "updated_at": "2026-01-11T00:00:00Z", "price": 3.0},
            {"item": "i2", "updated_at": "soon", "price": 3.0},
            {"item": "i3", "updated_at": "2026-01-11T10:00:00Z", "price": "free"},
            "{not json",
        ],
    )
    write_csv(data / "users.csv", "user,age", "u1,34", "u2,", "u3,old")
    settings = make_settings(**declare(items={}, users={}))
    take(settings, FIRST)
    found = [(row["item_id"], row["title"], row["tags"], row["price"]) for row in rows(lake, "items", FIRST)]
    assert sorted(found, key=repr) == [("i1", "always", ["a", "b"], 1.0), ("i1", None, None, 2.5)]
    assert {row["reason"] for row in rows(lake, "items_rejected", FIRST)} == {
        "updated_at: 'soon' is no timestamp",
        "row: it is no JSON object",
    }
    assert [(row["user_id"], row["age"]) for row in rows(lake, "users", FIRST)] == [("u1", 34), ("u2", None)]
    assert [row["id"] for row in rows(lake, "users_rejected", FIRST)] == ["u3"]
    assert tables.read_commit(lake, layout.raw("items", FIRST)).facts["derived"] is False
    # a snapshot holds everything known each night, rejects too
    report = take(settings, SECOND)
    assert (report.rows["items"], report.rows["items_rejected"]) == (3, 3)


def test_items_and_users_are_derived_from_the_interactions_where_the_source_has_none(
    make_settings: Make, lake: Any, data: Path
) -> None:
    write_interactions(
        data,
        "u1,i1,view,2026-01-09T12:00:00Z",
        "u1,i1,view,2026-01-08T12:00:00Z",
        f"{'x' * 600},,view,2026-01-08T12:00:00Z",
        "u2,i2,view,2026-01-11T12:00:00Z",
        "u1,i2,view,2026-01-07T12:00:00Z,2026-01-11T12:00:00Z",
        "u9,i9,view,2031-01-01T00:00:00Z,2026-01-09T12:00:00Z",  # which no night takes for an event
    )
    settings = make_settings(**declare())
    take(settings, FIRST)
    assert [(row["item_id"], row["appeared_at"]) for row in rows(lake, "items", FIRST)] == [
        ("i1", datetime(2026, 1, 8, 12, tzinfo=UTC))
    ]
    assert [row["user_id"] for row in rows(lake, "users", FIRST)] == ["u1"]
    assert tables.read_commit(lake, layout.raw("users", FIRST)).facts["derived"] is True
    take(settings, SECOND)
    assert [(row["user_id"], row["joined_at"].day) for row in rows(lake, "users", SECOND)] == [
        ("u1", 7),
        ("u2", 11),
    ]
    assert [(row["item_id"], row["appeared_at"].day) for row in rows(lake, "items", SECOND)] == [
        ("i1", 8),
        ("i2", 7),
    ]


def test_a_mapped_key_that_no_row_of_json_lines_has_is_told(
    make_settings: Make, lake: Any, data: Path
) -> None:
    write_interactions(data, "u1,i1,view,2026-01-10T12:00:00Z")
    write_items(data, [{"item": "i1", "title": "a", "cost": 3}])
    columns = {"item_id": "item", "title": "title", "price": "price", "available": "in_stock"}
    report = take(make_settings(**declare(items={"columns": columns})), FIRST)
    assert report.facts["warnings"] == [
        "items.price is mapped to 'price', which no row has",
        "items.available is mapped to 'in_stock', which no row has: every item counts as available",
    ]
    assert [row["available"] for row in rows(lake, "items", FIRST)] == [None]


def test_a_vector_that_is_none_keeps_its_item_out_with_the_reason(
    make_settings: Make, lake: Any, data: Path
) -> None:
    write_interactions(data, "u,i1,view,2026-01-10T12:00:00Z")
    vectors = {"i1": [0.5, 1], "i2": "0.5,1", "i3": [0.5, float("nan")], "i4": ["a"], "i5": None}
    write_items(data, [{"item": name, "vec": vector} for name, vector in vectors.items()])
    columns = {"item_id": "item", "embedding": "vec"}
    take(make_settings(**declare(items={"columns": columns})), FIRST)
    taken = {row["item_id"]: row["embedding"] for row in rows(lake, "items", FIRST)}
    assert taken == {"i1": [0.5, 1.0], "i2": [0.5, 1.0], "i5": None}
    rejected = {row["id"]: row["reason"] for row in rows(lake, "items_rejected", FIRST)}
    assert rejected == {
        "i3": 'embedding: \'["0.5", "NaN"]\' is no list of finite numbers',
        "i4": "embedding: '[\"a\"]' is no list of finite numbers",
    }


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), None, 1e39])
def test_a_native_vector_with_a_number_that_is_none_keeps_its_item_out_too(
    wrong: float | None, make_settings: Make, lake: Any, data: Path
) -> None:
    write_interactions(data, "u,i1,view,2026-01-10T12:00:00Z")
    vectors = pa.array([[0.5, 1.0], [0.5, wrong]], pa.list_(pa.float64()))
    pq.write_table(pa.table({"item": ["i1", "i2"], "vec": vectors}), data / "items.parquet")
    native = {"uri": "items.parquet", "format": "parquet"}
    columns = {"item_id": "item", "embedding": "vec"}
    take(make_settings(**declare(items={**native, "columns": columns})), FIRST)
    assert [row["item_id"] for row in rows(lake, "items", FIRST)] == ["i1"]
    (rejected,) = rows(lake, "items_rejected", FIRST)
    assert (rejected["id"], rejected["reasons"]) == ("i2", ["embedding_not_vector"])
    assert rejected["reason"].endswith("is no list of finite numbers")
