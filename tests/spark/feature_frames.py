"""Frames that features are made of: events as known at a moment, and items as known at each stamp."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipeline_tasks.spark.snapshots import STAMP, newest_versions
from pipeline_tasks.spark.topics import add_slots
from tests.builders import START
from tests.spark.frames import interactions, items

WIDTH = 8
STAMPS = [START + timedelta(days=n) for n in (10, 11)]


def events(spark: SparkSession, *rows: dict[str, Any], weight: float = 1.0) -> DataFrame:
    """Return events known from when they have happened and arrived; `weight` is of those that name none."""
    weights = {number: row.pop("weight", weight) for number, row in enumerate(rows)}
    numbered = [{**row, "value": float(number)} for number, row in enumerate(rows)]
    choose = F.create_map(*[F.lit(each) for pair in weights.items() for each in (float(pair[0]), pair[1])])
    known = interactions(spark, *numbered).withColumn("known_at", F.greatest("event_time", "arrival"))
    return known.withColumn("weight", choose[F.col("value")])


def items_at(spark: SparkSession, versions: Sequence[dict[str, Any]]) -> tuple[DataFrame, DataFrame]:
    """Return all versions, and one row an item and stamp with its topics' slots."""
    found = items(spark, *versions)
    return found, newest_versions(add_slots(found, WIDTH), "item_id", STAMPS)


def at_each_stamp(frame: DataFrame, key: str) -> list[dict[str, dict[str, Any]]]:
    """Return the rows of each of STAMPS by their key; the frame is made once."""
    rows = frame.withColumn("epoch", F.unix_seconds(F.col(STAMP))).collect()
    return [
        {row[key]: row.asDict() for row in rows if row["epoch"] == int(stamp.timestamp())} for stamp in STAMPS
    ]
