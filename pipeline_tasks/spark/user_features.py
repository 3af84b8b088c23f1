"""User features: events, users and items as they were known in, one row a user and stamp out."""

from collections.abc import Sequence
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.contracts import USER_FEATURES, WINDOWS_DAYS
from pipeline_tasks.spark import topics
from pipeline_tasks.spark.conforming import conform
from pipeline_tasks.spark.snapshots import (
    STAMP,
    activity,
    at_each,
    days_between,
    known_entities,
    newest_versions,
    rows_of,
)

# weights are summed as whole millionths and prices' logarithms likewise: exact, in whichever order
MILLION = 1e6


def make_user_features(
    events: DataFrame, users: DataFrame, items: DataFrame, stamps: Sequence[datetime], width: int
) -> DataFrame:
    """Return USER_FEATURES of every user known at each stamp.

    `events` has user_id, item_id, event_time, known_at and weight; `users` is all versions; `items` is one
    row an item and stamp (item_id, event_timestamp, slots, price), as known then.
    """
    known = known_entities(users, "user_id", "joined_at", stamps).select("user_id", STAMP)
    attributes = newest_versions(users, "user_id", stamps).select("user_id", STAMP, "age", "membership")
    pairs = weigh_pairs(events, stamps)
    parts = [
        attributes,
        price_levels(pairs, items, stamps),
        affinities(pairs, items, stamps, width),
    ]
    rows = known.join(activity(events, "user_id", stamps, WINDOWS_DAYS), ["user_id", STAMP], "full")
    for part in parts:
        rows = rows.join(part, ["user_id", STAMP], "left")
    counts = [f"events_{days}d" for days in WINDOWS_DAYS] + ["events_total"]
    filled = rows.fillna(0, subset=counts).withColumns(
        {
            "days_since_last_event": days_between("last_event", STAMP),
            "affinity": F.coalesce("affinity", topics.zeros(width)),
        }
    )
    return conform(filled, USER_FEATURES)


def weigh_pairs(events: DataFrame, stamps: Sequence[datetime]) -> DataFrame:
    """Return a row for each user and item: weight_<n>, the summed weight of the events known at each stamp
    in millionths, null where there is none yet."""
    millionths = F.round(F.col("weight") * F.lit(MILLION)).cast("long")
    weights = at_each(stamps, "weight", lambda stamp: F.sum(F.when(F.col("known_at") < stamp, millionths)))
    return events.groupBy("user_id", "item_id").agg(*weights)


def price_levels(pairs: DataFrame, items: DataFrame, stamps: Sequence[datetime]) -> DataFrame:
    """Return (user_id, event_timestamp, price_level): the mean log1p(price) of the items touched."""
    logarithm = F.round(F.log1p("price") * F.lit(MILLION)).cast("long")
    prices = at_each(stamps, "price", lambda stamp: F.max(F.when(F.col(STAMP) == stamp, logarithm)))
    wide = pairs.join(items.groupBy("item_id").agg(*prices), "item_id")
    sums = []
    for n in range(len(stamps)):
        touched = F.when(F.col(f"weight_{n}").isNotNull(), F.col(f"price_{n}"))
        sums += [F.sum(touched).alias(f"sum_{n}"), F.count(touched).alias(f"count_{n}")]
    totals = rows_of(wide.groupBy("user_id").agg(*sums), ["user_id"], stamps, "sum", "count")
    level = F.col("sum") / F.lit(MILLION) / F.col("count")
    return totals.where(F.col("count") > 0).select("user_id", STAMP, level.alias("price_level"))


def affinities(pairs: DataFrame, items: DataFrame, stamps: Sequence[datetime], width: int) -> DataFrame:
    """Return (user_id, event_timestamp, affinity): TF-IDF of topics over the user's events, by weight."""
    slots = topics.slots_of(items)
    counts = at_each(stamps, "count", lambda stamp: F.sum(F.when(F.col(STAMP) == stamp, F.col("count"))))
    wide = pairs.join(slots.groupBy("item_id", "slot").agg(*counts), "item_id")
    sums = [F.sum(F.col(f"weight_{n}") * F.col(f"count_{n}")).alias(f"total_{n}") for n in range(len(stamps))]
    totals = rows_of(wide.groupBy("user_id", "slot").agg(*sums), ["user_id", "slot"], stamps, "total")
    weighed = totals.where(F.col("total").isNotNull()).withColumnRenamed("total", "count")
    return topics.to_vectors(weighed, topics.weigh_slots(slots, items), "user_id", "affinity", width)
