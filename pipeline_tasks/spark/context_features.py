"""Context features: events in, one row for each hour of the week and stamp out."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.spark.snapshots import at_each

HOURS_OF_WEEK = 168
ACTIVITY_DAYS = 28
DAYS_OF_YEAR = 365.25


SCHEMA = pa.schema(
    [
        ("hour_of_week", pa.int64()),
        ("event_timestamp", pa.timestamp("us", "UTC")),
        *[(name, pa.float64()) for name in ("hour", "weekday", "season_sin", "season_cos", "activity")],
    ]
)


def make_context_features(events: DataFrame, stamps: Sequence[datetime]) -> list[pa.Table]:
    """Return CONTEXT_FEATURES, a table of 168 rows for each stamp. `events` has event_time and known_at."""
    counts = count_by_hour_of_week(events, stamps)
    weeks = [_week(stamp, of_stamp) for stamp, of_stamp in zip(stamps, counts, strict=True)]
    return [pa.Table.from_pylist(week, SCHEMA) for week in weeks]


def count_by_hour_of_week(events: DataFrame, stamps: Sequence[datetime]) -> list[list[int]]:
    """Return for each stamp the events of the 28 days before it, by hour of the week (UTC)."""
    # 1 January 1970 was a Thursday: 72 hours after a Monday
    hour = F.pmod(F.floor(F.unix_seconds("event_time") / 3600) + F.lit(72), F.lit(HOURS_OF_WEEK))
    span = F.make_dt_interval(F.lit(ACTIVITY_DAYS))
    columns = at_each(
        stamps,
        "events",
        lambda stamp: F.count_if((F.col("known_at") < stamp) & (F.col("event_time") >= stamp - span)),
    )
    found = {row[0]: row[1:] for row in events.groupBy(hour.alias("hour")).agg(*columns).collect()}
    none = (0,) * len(stamps)
    return [[found.get(hour, none)[n] for hour in range(HOURS_OF_WEEK)] for n in range(len(stamps))]


def _week(stamp: datetime, counts: Sequence[int]) -> list[dict[str, Any]]:
    season = 2 * math.pi * (stamp.timetuple().tm_yday - 1) / DAYS_OF_YEAR
    total = sum(counts)
    return [
        {
            "hour_of_week": hour,
            "event_timestamp": stamp,
            "hour": float(hour % 24),
            "weekday": float(hour // 24),
            "season_sin": math.sin(season),
            "season_cos": math.cos(season),
            "activity": count * HOURS_OF_WEEK / total if total else 1.0,
        }
        for hour, count in enumerate(counts)
    ]
