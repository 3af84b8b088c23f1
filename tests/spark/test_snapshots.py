"""What was known at a stamp."""

from datetime import datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipeline_tasks.spark.snapshots import STAMP, activity, known_entities, newest_versions
from tests.builders import START
from tests.spark.frames import interactions, items, rows

STAMPS = [START + timedelta(days=n) for n in (1, 2)]
SECOND = timedelta(seconds=1)


def known(spark: SparkSession, *events: dict[str, Any]) -> DataFrame:
    """Return events that are known when they have happened and arrived."""
    return interactions(spark, *events).withColumn("known_at", F.greatest("event_time", "arrival"))


def numbered(frame: DataFrame) -> DataFrame:
    """Return the frame with the number of its stamp instead of the stamp."""
    return frame.withColumn(STAMP, F.datediff(STAMP, F.lit(START)))


def test_the_version_at_a_stamp_is_the_newest_strictly_before_it(spark: SparkSession) -> None:
    versions = items(
        spark,
        {"updated_at": None, "price": 1.0},
        {"updated_at": STAMPS[0] - SECOND, "price": 2.0},
        {"updated_at": STAMPS[0], "price": 3.0},
        {"updated_at": STAMPS[1] + SECOND, "price": 4.0},
        {"item_id": "later", "updated_at": STAMPS[0], "price": 5.0},
    )
    found = numbered(newest_versions(versions, "item_id", STAMPS))
    assert rows(found, "item_id", STAMP, "price") == [("i1", 1, 2.0), ("i1", 2, 3.0), ("later", 2, 5.0)]


def test_an_entity_is_known_from_its_earliest_date_on_and_without_one_always(spark: SparkSession) -> None:
    versions = items(
        spark,
        {"item_id": "dated", "appeared_at": STAMPS[0], "updated_at": STAMPS[0]},
        {"item_id": "dated", "appeared_at": STAMPS[1], "updated_at": STAMPS[1]},
        {"item_id": "undated"},
    )
    found = numbered(known_entities(versions, "item_id", "appeared_at", STAMPS))
    assert rows(found, "item_id", STAMP) == [("dated", 2), ("undated", 1), ("undated", 2)]


def at(moment: datetime, **fields: Any) -> dict[str, Any]:
    return {"event_time": moment, **fields}


def test_activity_counts_windows_that_end_before_the_stamp(spark: SparkSession) -> None:
    day = timedelta(days=1)
    events = known(
        spark,
        at(STAMPS[0] - 8 * day),
        at(STAMPS[0] - day - SECOND),
        at(STAMPS[0] - day),
        at(STAMPS[0] - SECOND),
        at(STAMPS[0]),
        at(STAMPS[1] + SECOND, user_id="later"),
    )
    found = numbered(activity(events, "user_id", STAMPS, (1, 7)))
    assert rows(found, STAMP, "events_1d", "events_7d", "events_total", "last_event", "first_event") == [
        (1, 2, 3, 4, *rows(events.agg(F.lit(STAMPS[0] - SECOND), F.lit(STAMPS[0] - 8 * day)))[0]),
        (2, 1, 4, 5, *rows(events.agg(F.lit(STAMPS[0]), F.lit(STAMPS[0] - 8 * day)))[0]),
    ]


def test_an_event_that_had_not_arrived_was_not_known(spark: SparkSession) -> None:
    late = at(STAMPS[0] - SECOND, arrival=STAMPS[0] + SECOND)
    found = numbered(activity(known(spark, late), "user_id", STAMPS, (1, 7)))
    assert rows(found, STAMP, "events_1d", "events_total") == [(2, 0, 1)]
