"""Great Expectations judges the same rules as the predicates, counts the same rows, and shows what it saw."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipeline_tasks.contracts import INTERACTIONS, ITEMS, USERS, Column, Contract
from pipeline_tasks.quality.expectations import Gate, Judged
from pipeline_tasks.quality.predicates import reasons
from pipeline_tasks.quality.rules import DUPLICATE_KEY
from tests.builders import START
from tests.spark import frames

EVENT_TYPES = ["view", "purchase"]
EVENTS = (
    {},
    {"user_id": "x" * 600},
    {"user_id": None, "item_id": None},
    {"event_type": "click"},
    {"event_type": "click", "value": -1.0},
    {"event_type": None},
    {"event_time": None, "arrival": START},
    {"value": 2e9},
)
THINGS = (
    {},
    {"title": "again"},
    {"title": "x" * 2001},
    {"item_id": "i2", "price": -1.0},
    {"item_id": None},
)
PEOPLE = ({}, {"user_id": "u2", "age": 151}, {"user_id": "u3", "country": "x" * 101, "age": -1})


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def judge(gate: Gate, frame: DataFrame, contract: Contract) -> Judged:
    return gate.judge(frame, contract, EVENT_TYPES, may_be_empty=False)


def test_its_counts_are_those_of_the_predicates(spark: SparkSession, gate: Gate, tmp_path: Path) -> None:
    for frame, contract in (
        (frames.interactions(spark, *EVENTS), INTERACTIONS),
        (frames.items(spark, *THINGS), ITEMS),
        (frames.users(spark, *PEOPLE), USERS),
    ):
        judged = judge(gate, frame, contract)
        put_aside = Counter(
            reason for row in reasons(frame, contract, EVENT_TYPES).collect() for reason in row.reasons
        )
        doubled = put_aside.pop(DUPLICATE_KEY, 0)
        assert {reason: count for reason, count in judged.counts.items() if count} == put_aside
        unique = [each for each in judged.failures["quarantine"] if "compound" in each.expectation]
        # GX counts every row of a key that is there several times, the predicates all but the one that stays
        assert sum(each.count for each in unique) == (doubled + 1 if doubled else 0)
        assert judged.failures["stop"] == []
    index = (gate.data_docs() / "index.html").read_text(encoding="utf-8")
    assert all(name in index for name in ("interactions", "items", "users"))


@pytest.mark.parametrize("examples", [True, False])
def test_pages_show_cases_only_where_they_may(spark: SparkSession, tmp_path: Path, examples: bool) -> None:
    gate = Gate(tmp_path, examples=examples)
    judged = judge(gate, frames.interactions(spark, {"user_id": "alexander" * 100}, {}), INTERACTIONS)
    assert judged.counts["user_id_too_long"] == 1
    judge(gate, frames.users(spark, {"user_id": "alexander"}, {"user_id": "alexander"}), USERS)
    pages = "".join(page.read_text(encoding="utf-8") for page in gate.data_docs().rglob("*.html"))
    assert ("alexander" in pages) == examples


def test_what_an_event_holds_is_text_on_the_pages_and_as_it_is_in_messages(
    spark: SparkSession, gate: Gate
) -> None:
    attack = "<img src=x onerror=alert(1)>"
    columns = tuple(
        replace(column, severity="stop") if column.name == "event_type" else column
        for column in INTERACTIONS.columns
    )
    events = frames.interactions(spark, {"event_type": attack}, {"user_id": attack * 100}, {})
    (stop,) = judge(gate, events, replace(INTERACTIONS, columns=columns)).failures["stop"]
    assert stop.examples == [f"event_type={attack!r}"]
    pages = "".join(page.read_text(encoding="utf-8") for page in gate.data_docs().rglob("*.html"))
    assert "<img src=x" not in pages
    assert "&lt;img src=x onerror=alert(1)&gt;" in pages


def test_a_table_of_another_shape_stops_the_night(spark: SparkSession, gate: Gate) -> None:
    frame = frames.interactions(spark, {}).withColumnRenamed("value", "worth")
    stops = [str(failure) for failure in judge(gate, frame, INTERACTIONS).failures["stop"]]
    assert any(said.startswith("interactions: expect_table_columns_to_match_set") for said in stops)
    assert any("worth" in said for said in stops)


def test_an_empty_table_stops_the_night_only_where_it_may_not_be_empty(
    spark: SparkSession, gate: Gate
) -> None:
    empty = frames.interactions(spark)
    (stop,) = judge(gate, empty, INTERACTIONS).failures["stop"]
    assert (
        str(stop) == "interactions: expect_table_row_count_to_be_between(columns) fails 1 times, as found 0"
    )
    other = replace(INTERACTIONS, name="others")
    assert gate.judge(empty, other, EVENT_TYPES, may_be_empty=True).failures["stop"] == []


def test_a_hard_rule_says_table_expectation_count_and_three_examples(spark: SparkSession, gate: Gate) -> None:
    column = Column("rank", "integer", "", minimum=1, severity="stop")
    contract = Contract(name="places", grain="a place", kind="delta", key=("rank",), columns=(column,))
    frame = spark.createDataFrame([(rank,) for rank in (3, 0, -1, -2, -3)], "rank long")
    (stop,) = judge(gate, frame, contract).failures["stop"]
    assert str(stop).startswith("places: expect_column_values_to_be_between(rank) fails 4 times, as rank='")
    assert len(stop.examples) == 3


def test_stale_data_warns(spark: SparkSession, gate: Gate) -> None:
    later = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # is not what a source's newest event is judged by
    frame = frames.interactions(spark, {"event_time": START}, {"event_time": later})
    for name, since, warned in (
        ("old", START + timedelta(seconds=1), ["expect_column_max_to_be_between(event_time)"]),
        ("new", START, []),
    ):
        contract = replace(INTERACTIONS, name=name)
        judged = gate.judge(frame, contract, EVENT_TYPES, may_be_empty=True, fresh=(since, later))
        assert [failure.expectation for failure in judged.failures["warn"]] == warned
        assert judged.failures["stop"] == []
