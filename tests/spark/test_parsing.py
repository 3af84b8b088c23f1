"""What a source writes becomes typed columns; what cannot be typed becomes a reason, never a failed job."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pipeline_tasks.contracts import INTERACTIONS, ITEMS, USERS, Contract
from pipeline_tasks.spark.parsing import schema, timestamp_of_text, type_rows

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MOMENTS = {
    # Unix times, by magnitude
    "1769860800": NOON,
    "1769860800.0": NOON,
    "1.7698608e9": NOON,
    "1769860800000": NOON,
    "1769860800123": NOON.replace(microsecond=123_000),
    "1769860800123456": NOON.replace(microsecond=123_456),
    "1769860800123456789": NOON.replace(microsecond=123_456),
    "0": datetime(1970, 1, 1, tzinfo=UTC),
    "-86400": datetime(1969, 12, 31, tzinfo=UTC),
    # ISO 8601 with a zone
    "2026-01-31T12:00:00Z": NOON,
    "2026-01-31t12:00:00z": NOON,
    "2026-01-31T13:00:00+01:00": NOON,
    "2026-01-31 13:00:00 +0100": NOON,
    "2026-01-31T13:00+01": NOON,
    "2026-01-31 12:00:00 UTC": NOON,
    "2026-01-31T04:00:00.000-08:00": NOON,
    # and without one: UTC
    "2026-01-31T12:00:00": NOON,
    "2026-01-31 12:00": NOON,
    " 2026-01-31 12:00:00.123456789 ": NOON.replace(microsecond=123_456),
    "2026-01-31": NOON.replace(hour=0),
    "20260131": NOON.replace(hour=0),
    # no moments
    "yesterday": None,
    "31/02/2026": None,
    "2026-02-30": None,
    "2026-01-31T25:00:00": None,
    "20261301": None,
    "12:00:00": None,
    "2026-01": None,
    "nan": None,
    "Infinity": None,
    "99999999999999999999": None,
    "1e300": None,
    "2026-01-31T12:00:00 Europe/Berlin": None,
}


def raw(spark: SparkSession, columns: str, rows: list[tuple[Any, ...]]) -> DataFrame:
    """A raw frame of the given columns, with the row as JSON and nothing malformed."""
    frame = spark.createDataFrame(rows, columns)
    whole = F.to_json(F.struct(*(F.col(name) for name in frame.columns)))
    return frame.withColumn("row", whole).withColumn("malformed", F.lit(None).cast("string"))


def typed(
    spark: SparkSession, contract: Contract, columns: str, *rows: tuple[Any, ...], **options: Any
) -> list[Row]:
    return type_rows(raw(spark, columns, list(rows)), contract, **options).collect()


def utc(found: datetime | None) -> datetime | None:
    return found.astimezone(UTC) if found else None


def test_times_of_every_form_become_the_same_moment(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(text,) for text in MOMENTS], "text string")
    found = frame.select("text", F.unix_micros(timestamp_of_text(F.col("text"))).alias("micros")).collect()
    expected = {
        text: None if moment is None else round(moment.timestamp() * 1_000_000)
        for text, moment in MOMENTS.items()
    }
    assert {row.text: row.micros for row in found} == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bigint", 1769860800),
        ("bigint", 1769860800000),
        ("double", 1769860800.0),
        ("decimal(12,0)", Decimal(1769860800)),
        ("timestamp", NOON),
        ("timestamp_ntz", NOON.replace(tzinfo=None)),
    ],
)
def test_native_times_become_the_same_moment(spark: SparkSession, kind: str, value: Any) -> None:
    (row,) = typed(spark, INTERACTIONS, f"event_time {kind}", (value,))
    assert row.event_time.timestamp() == NOON.timestamp()


def test_a_native_date_is_its_midnight_in_utc(spark: SparkSession) -> None:
    (row,) = typed(spark, INTERACTIONS, "event_time date", (date(2026, 1, 31),))
    assert row.event_time.timestamp() == NOON.replace(hour=0).timestamp()


def test_a_typed_frame_has_the_contracts_schema(spark: SparkSession) -> None:
    frame = type_rows(raw(spark, "item_id string, price string", [("i", "1")]), ITEMS)
    assert frame.drop("row", "reason", "reasons").schema == schema(ITEMS)


def test_numbers_are_read_and_nothing_else_is(spark: SparkSession) -> None:
    texts = ["12", "-0.5", "1e3", " 7 ", "1,5", "1d", "nan", "inf", "1e999", "0x10", "twelve"]
    rows = typed(spark, INTERACTIONS, "value string", *((text,) for text in texts))
    assert [row.value for row in rows] == [12.0, -0.5, 1000.0, 7.0, *[None] * 7]
    assert [row.reasons for row in rows] == [[]] * 4 + [["value_not_float"]] * 7


def test_whole_numbers_may_have_a_zero_fraction_only(spark: SparkSession) -> None:
    rows = typed(spark, USERS, "age string", *((text,) for text in ["34", "34.0", "34.5", "old"]))
    assert [row.age for row in rows] == [34, 34, None, None]
    assert [row.reason for row in rows[2:]] == [
        "age: '34.5' is no whole number",
        "age: 'old' is no whole number",
    ]


def test_booleans_are_read_in_their_usual_words(spark: SparkSession) -> None:
    words = ["true", "True", "1", "yes", "Y", "false", "0", "NO", "f", "maybe"]
    rows = typed(spark, ITEMS, "available string", *((word,) for word in words))
    assert [row.available for row in rows] == [True] * 5 + [False] * 4 + [None]
    assert rows[-1].reason == "available: 'maybe' is no boolean"


def test_lists_come_from_text_json_and_arrays(spark: SparkSession) -> None:
    texts = ["a|b", " a | |b ", '["a", "b"]', "[a|b", "(none)", "a.b"]
    rows = typed(spark, ITEMS, "tags string", *((text,) for text in texts), null_values=["(none)"])
    assert [row.tags for row in rows] == [["a", "b"], ["a", "b"], ["a", "b"], ["[a", "b"], None, ["a.b"]]
    (row,) = typed(spark, ITEMS, "tags array<string>", (["a", " ", "(none)", "b"],), null_values=["(none)"])
    assert row.tags == ["a", "b"]
    (row,) = typed(spark, ITEMS, "tags string", ("a.b",), list_separator=".")
    assert row.tags == ["a", "b"]


def test_empty_cells_are_nulls_and_no_reason_to_reject(spark: SparkSession) -> None:
    columns = "user_id string, event_time string, value string"
    rows = typed(
        spark, INTERACTIONS, columns, ("", "", ""), ("  ", None, " "), ("u", "?", "-"), null_values=["?", "-"]
    )
    assert [(row.user_id, row.event_time, row.value) for row in rows] == [
        (None,) * 3,
        (None,) * 3,
        ("u", None, None),
    ]
    assert [(row.reason, row.reasons) for row in rows] == [(None, [])] * 3


def test_ids_stay_as_the_source_writes_them(spark: SparkSession) -> None:
    ids = ["a/b", "../../etc/passwd", "o'brien", 'say "hi"', "🦉", "用户", " padded ", "x" * 10_000, "007"]
    rows = typed(spark, INTERACTIONS, "user_id string", *((each,) for each in ids))
    assert [row.user_id for row in rows] == ids


def test_numeric_ids_become_text_without_a_fraction(spark: SparkSession) -> None:
    rows = typed(spark, INTERACTIONS, "user_id double, item_id bigint", (12.0, 2**60), (float("nan"), None))
    assert [(row.user_id, row.item_id) for row in rows] == [("12", str(2**60)), (None, None)]


def test_a_row_says_everything_that_is_wrong_with_it(spark: SparkSession) -> None:
    columns = "user_id string, event_time string, value string"
    (row,) = typed(spark, INTERACTIONS, columns, ("u", "yesterday", "x" * 100))
    assert row.reason == f"event_time: 'yesterday' is no timestamp; value: '{'x' * 60}…' is no number"
    assert row.reasons == ["event_time_not_timestamp", "value_not_float"]
    assert '"event_time":"yesterday"' in row.row


def test_types_of_the_contract_all_have_a_spark_type() -> None:
    assert isinstance(schema(INTERACTIONS)["event_time"].dataType, T.TimestampType)
    assert isinstance(schema(USERS)["age"].dataType, T.LongType)
