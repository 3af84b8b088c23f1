"""Rows that break the contract are put aside with every reason; of equal keys one row stays."""

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipeline_tasks.contracts import INTERACTIONS, ITEMS, USERS, Column, Contract
from pipeline_tasks.quality.predicates import reasons, split
from pipeline_tasks.quality.rules import row_rules
from tests.builders import START
from tests.spark import frames

EVENT_TYPES = ["view", "purchase"]


def by_id(judged: DataFrame, key: str) -> list[tuple[Any, list[str]]]:
    return sorted(((row[key], row.reasons) for row in judged.collect()), key=repr)


def test_every_rule_of_interactions_has_its_reason(spark: SparkSession) -> None:
    found = frames.interactions(
        spark,
        {"user_id": "good"},
        {"user_id": "x" * 512},
        {"user_id": "x" * 513},
        {"user_id": None, "item_id": None},
        {"user_id": "type", "event_type": "click"},
        {"user_id": "no type", "event_type": None},
        {"user_id": "no time", "event_time": None, "arrival": START},
        {"user_id": "negative", "value": -0.5},
        {"user_id": "huge", "value": 1e10},
        {"user_id": "nan", "value": float("nan")},
    )
    assert by_id(reasons(found, INTERACTIONS, EVENT_TYPES), "user_id") == sorted(
        [
            ("good", []),
            ("x" * 512, []),
            ("x" * 513, ["user_id_too_long"]),
            (None, ["missing_user_id", "missing_item_id"]),
            ("type", ["event_type_not_allowed"]),
            ("no type", ["missing_event_type"]),
            ("no time", ["missing_event_time"]),
            ("negative", ["value_out_of_range"]),
            ("huge", ["value_out_of_range"]),
            ("nan", ["value_out_of_range"]),
        ],
        key=repr,
    )


def test_items_that_the_catalogue_does_not_name_are_unknown(spark: SparkSession) -> None:
    found = frames.interactions(spark, {"item_id": "i1"}, {"item_id": "i2"}, {"item_id": None})
    known = spark.createDataFrame([("i1",), ("i1",)], "item_id string")
    assert by_id(reasons(found, INTERACTIONS, EVENT_TYPES, known), "item_id") == sorted(
        [("i1", []), ("i2", ["unknown_item"]), (None, ["missing_item_id"])], key=repr
    )
    assert by_id(reasons(found, INTERACTIONS, EVENT_TYPES), "item_id")[0] == ("i1", [])


def test_of_items_with_the_same_key_one_good_row_is_kept(spark: SparkSession) -> None:
    found = frames.items(
        spark,
        {"item_id": "i1", "title": "b"},
        {"item_id": "i1", "title": "a"},
        {"item_id": "i1", "title": "0", "price": -1.0},
        {"item_id": "i1", "title": "later", "updated_at": START},
        {"item_id": None, "title": "x"},
        {"item_id": None, "title": "y"},
    )
    judged = {row.title: row.reasons for row in reasons(found, ITEMS).collect()}
    assert judged == {
        "a": [],
        "b": ["duplicate_key"],
        "0": ["price_out_of_range", "duplicate_key"],
        "later": [],
        "x": ["missing_item_id"],
        "y": ["missing_item_id"],
    }


def test_repeated_interactions_are_no_matter_of_quarantine(spark: SparkSession) -> None:
    found = frames.interactions(spark, {}, {})
    assert [row.reasons for row in reasons(found, INTERACTIONS, EVENT_TYPES).collect()] == [[], []]


def test_split_gives_each_row_once_and_keeps_the_columns(spark: SparkSession) -> None:
    found = frames.users(
        spark, {"user_id": "u1"}, {"user_id": "u2", "age": 200}, {"user_id": "u1", "age": 31}
    )
    good, bad = split(found, USERS)
    assert good.schema == found.schema
    assert frames.rows(good, "user_id", "age") == [("u1", 30)]
    assert frames.rows(bad, "user_id", "reasons") == [("u1", ["duplicate_key"]), ("u2", ["age_out_of_range"])]


@pytest.mark.parametrize("severity", ["stop", "warn"])
def test_only_rules_of_severity_quarantine_put_rows_aside(spark: SparkSession, severity: Any) -> None:
    contract = Contract(
        name="rows",
        grain="a row",
        kind="delta",
        key=("a",),
        columns=(
            Column("a", "string", "", nullable=False, severity=severity),
            Column("b", "string", "", allowed=("x",)),
        ),
    )
    found = spark.createDataFrame([(None, "y")], "a string, b string")
    assert [row.reasons for row in reasons(found, contract).collect()] == [["b_not_allowed"]]
    assert [rule.reason for rule in row_rules(contract)] == ["missing_a", "b_not_allowed"]
