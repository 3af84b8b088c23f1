"""Bots: events in, the users whose busiest hour no person reaches out."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

PERCENTILE = 0.99


def count_by_hour(events: DataFrame) -> DataFrame:
    """Return (user_id, hour, events): how many events each user has in each hour with any."""
    hour = F.floor(F.unix_seconds("event_time") / 3600).alias("hour")
    return events.groupBy("user_id", hour).agg(F.count(F.lit(1)).alias("events"))


def usual_events_per_hour(hourly: DataFrame, floor: int) -> float | None:
    """Return the 99th percentile of events per user and hour; None without an hour.

    Hours above `floor` do not count: in a small night they would raise the bar that is to catch them.
    """
    usual = hourly.where(F.col("events") <= floor)
    found: float | None = usual.agg(F.percentile("events", PERCENTILE)).collect()[0][0]
    return found


def find_bots(hourly: DataFrame, floor: int, factor: float, usual: float | None) -> DataFrame:
    """Return (user_id, events) of users with more events in some hour than max(floor, factor x usual)."""
    limit = max(float(floor), factor * (usual or 0.0))
    busiest = hourly.groupBy("user_id").agg(F.max("events").alias("events"))
    return busiest.where(F.col("events") > limit)
