"""Exact and near duplicates of events."""

from datetime import timedelta
from typing import Any

from pyspark.sql import SparkSession

from pipeline_tasks.spark.duplicates import mark_duplicates
from tests.builders import START
from tests.spark.frames import interactions, rows


def at(seconds: float, **fields: Any) -> dict[str, Any]:
    return {"event_time": START + timedelta(seconds=seconds), **fields}


def marks(spark: SparkSession, events: list[dict[str, Any]], earlier: list[dict[str, Any]]) -> list[Any]:
    """Return the marks in order of time, then arrival, within 2 seconds."""
    marked = mark_duplicates(interactions(spark, *events), interactions(spark, *earlier), 2.0)
    return [row.duplicate for row in marked.orderBy("event_time", "arrival", "value").collect()]


def test_events_alike_in_user_item_type_and_time_are_exact_duplicates(spark: SparkSession) -> None:
    assert marks(spark, [at(0), at(0), at(0)], []) == [None, "exact", "exact"]


def test_the_copy_that_arrived_first_stays(spark: SparkSession) -> None:
    late, soon = at(0, arrival=START + timedelta(hours=2)), at(0, arrival=START + timedelta(hours=1))
    for order in ([late, soon], [soon, late]):
        kept = mark_duplicates(interactions(spark, *order), interactions(spark), 2.0).where(
            "duplicate is null"
        )
        assert rows(kept, "arrival") == rows(interactions(spark, soon), "arrival")


def test_near_duplicates_chain_and_the_first_stays(spark: SparkSession) -> None:
    assert marks(spark, [at(0), at(2), at(4), at(6.001)], []) == [None, "near", "near", None]


def test_another_user_item_or_type_is_another_event(spark: SparkSession) -> None:
    events = [at(0), at(0, user_id="u2"), at(0, item_id="i2"), at(0, event_type="cart")]
    assert marks(spark, events, []) == [None] * 4


def test_a_late_copy_of_an_event_that_is_clean_already_is_a_duplicate(spark: SparkSession) -> None:
    again = at(0, arrival=START + timedelta(days=1))
    assert marks(spark, [again], [at(0)]) == ["exact"]


def test_an_event_shortly_before_or_after_a_clean_one_is_near_it(spark: SparkSession) -> None:
    assert marks(spark, [at(8), at(12), at(13)], [at(10)]) == ["near", "near", "near"]
    assert marks(spark, [at(7), at(13)], [at(10)]) == [None, None]


def test_without_a_span_only_exact_duplicates_count(spark: SparkSession) -> None:
    marked = mark_duplicates(interactions(spark, at(0), at(0), at(0.001)), interactions(spark), 0.0)
    assert rows(marked, "duplicate") == [("exact",), (None,), (None,)]


def test_no_event_gets_lost_and_columns_stay(spark: SparkSession) -> None:
    events = interactions(spark, at(0, value=2.0), at(0), at(1))
    marked = mark_duplicates(events, interactions(spark, at(100)), 2.0)
    assert marked.columns == [*events.columns, "duplicate"]
    assert rows(marked.drop("duplicate")) == rows(events)
