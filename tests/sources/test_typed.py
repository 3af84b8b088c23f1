"""Rows of a source become typed rows; what cannot be typed becomes a reason, never a failed job."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from pipeline_tasks.contracts import INTERACTIONS, ITEMS, SOURCE_TABLES, USERS
from pipeline_tasks.sources.typed import LINE, Typing, type_batch, type_lines
from pipeline_tasks.spark.schemas import schema, typed_schema


def typed(typing: Typing, **columns: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = type_batch(pa.RecordBatch.from_pydict(columns), typing).to_pylist()
    return rows


def typed_lines(typing: Typing, *lines: str) -> list[dict[str, Any]]:
    batches: Iterable[pa.RecordBatch] = [pa.RecordBatch.from_pydict({"value": list(lines)})]
    return [row for batch in type_lines(typing, iter(batches)) for row in batch.to_pylist()]


EVENTS = Typing(
    INTERACTIONS,
    columns={"user_id": "c0", "event_time": "c1", "value": "c2"},
    names={"c0": "User", "c1": "When", "c2": "Amount", "c3": "Other"},
    fell_apart="row: it fell apart",
)
THINGS = Typing(
    ITEMS, columns={"item_id": "id", "price": "cost", "tags": "tags", "available": "ok"}, names={}
)


def test_a_row_says_everything_that_is_wrong_with_it_and_keeps_its_text() -> None:
    (row,) = typed(EVENTS, c0=["u"], c1=["yesterday"], c2=["x" * 100], c3=["unmapped"])
    assert row["reason"] == f"event_time: 'yesterday' is no timestamp; value: '{'x' * 60}…' is no number"
    assert row["reasons"] == ["event_time_not_timestamp", "value_not_float"]
    assert json.loads(row["row"]) == {
        "User": "u",
        "When": "yesterday",
        "Amount": "x" * 100,
        "Other": "unmapped",
    }
    assert (row["user_id"], row["event_time"], row["value"]) == ("u", None, None)


def test_a_native_time_before_the_year_1_is_a_reason_like_any_other() -> None:
    times = pa.array([-62_135_600_400_000_000], pa.timestamp("us", "UTC"))
    (row,) = typed(EVENTS, c0=["u"], c1=times, c2=["1"], c3=[None])
    assert row["reason"] == "event_time: '0000-12-31 23:00:00.000000Z' is no timestamp"
    assert json.loads(row["row"])["When"] == "0000-12-31 23:00:00.000000Z"


def test_a_good_row_has_no_reason_and_nulls_for_what_the_source_lacks() -> None:
    (row,) = typed(EVENTS, c0=["u"], c1=["0"], c2=["1"], c3=[None])
    assert row == {
        **dict.fromkeys(INTERACTIONS.names),
        "user_id": "u",
        "event_time": datetime(1970, 1, 1, tzinfo=UTC),
        "value": 1.0,
        "row": None,
        "reason": None,
        "reasons": [],
    }


def test_an_event_without_a_time_has_no_place() -> None:
    missing, wrong = typed(EVENTS, c0=["u", "v"], c1=["", "soon"], c2=["1", "1"], c3=["", ""])
    assert (missing["reason"], missing["reasons"]) == (
        "row: it has neither arrival nor event_time",
        ["no_place"],
    )
    assert wrong["reasons"] == ["event_time_not_timestamp"]


def test_a_row_that_fell_apart_is_rejected_as_a_whole() -> None:
    found = typed(
        EVENTS, c0=["u", "v"], c1=["soon", "0"], c2=["1", "1"], c3=["", ""], **{LINE: ["u,soon", None]}
    )
    assert (found[0]["user_id"], found[0]["reasons"]) == (None, ["malformed_row"])
    assert found[0]["reason"] == "row: it fell apart"
    assert json.loads(found[0]["row"]) == {"line": "u,soon"}
    assert (found[1]["user_id"], found[1]["reasons"]) == ("v", [])


def test_json_lines_may_hold_anything() -> None:
    found = typed_lines(
        THINGS,
        '\ufeff{"id": 7, "cost": 12.50, "tags": ["a", 1], "ok": true, "more": {}}',
        '{"id": "x", "cost": "1e2", "tags": "a|b", "ok": "no"}',
        '{"id": {"deep": [1]}, "cost": NaN, "tags": null}',
        '{"id": "half \\ud83e", "cost": true}',
        "",
        "[1, 2]",
        '{"id": ',
        "[" * 100_000,
    )
    picked = [(row["item_id"], row["price"], row["tags"], row["available"], row["reasons"]) for row in found]
    assert picked == [
        ("7", 12.5, ["a", "1"], True, []),
        ("x", 100.0, ["a", "b"], False, []),
        ('{"deep": ["1"]}', None, None, None, ["price_not_float"]),
        ("half ?", None, None, None, ["price_not_float"]),
        *[(None, None, None, None, ["malformed_row"])] * 3,
    ]
    assert found[2]["row"] == '{"id": {"deep": [1]}, "cost": NaN, "tags": null}'


def test_json_lines_may_be_nested_as_deep_as_they_like() -> None:
    lines = [f'{{"id": {depth}, "tags": {"[" * depth}{"]" * depth}}}' for depth in range(900, 1001)]
    found = typed_lines(THINGS, *lines)
    assert (found[0]["item_id"], found[0]["reasons"]) == ("900", [])
    assert (found[-1]["item_id"], found[-1]["reasons"]) == (None, ["malformed_row"])


def test_a_rejected_row_is_kept_whatever_bytes_it_holds() -> None:
    (row,) = typed(EVENTS, c0=[b"u\xff"], c1=["soon"], c2=["1"], c3=[[b"\xff"]])
    assert (row["user_id"], row["reasons"]) == ("u\ufffd", ["event_time_not_timestamp"])
    assert json.loads(row["row"]) == {"User": "u\ufffd", "When": "soon", "Amount": "1", "Other": ["\ufffd"]}


@pytest.mark.parametrize("contract", SOURCE_TABLES.values(), ids=SOURCE_TABLES)
def test_batches_have_the_schema_that_spark_is_told(spark: SparkSession, contract: Any) -> None:
    columns = {name: name for name in contract.names}
    typing = Typing(contract, columns, columns)
    raw = spark.createDataFrame(
        [tuple("?" for _ in columns)], ", ".join(f"{name} string" for name in columns)
    )
    frame = raw.mapInArrow(
        lambda batches: (type_batch(batch, typing) for batch in batches), typed_schema(contract)
    )
    assert frame.select(*contract.names).schema == schema(contract)
    (row,) = frame.collect()
    assert row.reason.count(" is no ") == sum(
        each.type not in ("string", "strings") for each in contract.columns
    )


def test_the_columns_of_users_are_typed_by_their_contract() -> None:
    users = Typing(USERS, {"user_id": "u", "age": "a"}, {"u": "u", "a": "a"})
    (row,) = typed(users, u=["u1"], a=["34.0"])
    assert (row["user_id"], row["age"]) == ("u1", 34)
