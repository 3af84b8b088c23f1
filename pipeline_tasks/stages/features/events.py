"""All events up to a night with what features need of them: the clean chain in, weighed and dated events out."""

from collections.abc import Mapping
from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.spark.staging import Staging

TABLE = "clean/interactions"


def read_events(
    staging: Staging, run_date: date, weights: Mapping[str, float], inputs: dict[str, str]
) -> DataFrame:
    """Return (user_id, item_id, event_time, known_at, weight) of every clean event up to the night.

    Events of types that have no weight, since the settings declare them no more, are left out. The partitions'
    digests go into `inputs`. `known_at` is when an event may first be used: it has happened, and has arrived. In the
    lake's first partition, which holds all that came before, arrivals may be of a single delivery: there it is
    when the event happened.
    """
    tables.require_commit(staging.store, layout.night(TABLE, run_date), "preprocess")
    commits = tables.chain(staging.store, TABLE, run_date)
    inputs.update({layout.night(TABLE, night): commit.digest for night, commit in commits.items()})
    first, *later = (layout.night(TABLE, night) for night in commits)
    parts = [staging.read(first, stage="preprocess").withColumn("known_at", F.col("event_time"))]
    if later:
        arrived = F.greatest("event_time", "arrival")
        parts.append(staging.read(*later, stage="preprocess").withColumn("known_at", arrived))
    every = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)
    events = every.where(F.col("event_type").isin(*weights))
    return events.select("user_id", "item_id", "event_time", "known_at", _weight(weights).alias("weight"))


def _weight(weights: Mapping[str, float]) -> Column:
    """Return the weight of an event, whose type has one."""
    cases = [F.when(F.col("event_type") == name, F.lit(float(weight))) for name, weight in weights.items()]
    return F.coalesce(*cases)
