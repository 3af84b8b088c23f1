"""A night's good events in; each with its fate out: clean, a duplicate, or quarantined for a reason."""

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.spark.duplicates import SAME, TIME, mark_duplicates
from pipeline_tasks.spark.missing import REASON

DUPLICATE = "duplicate"
FUTURE, BOT = "future", "bot"


def label_events(
    events: DataFrame, earlier: DataFrame | None, end: datetime, within_seconds: float
) -> DataFrame:
    """Return the events with `duplicate` ("exact", "near" or null) and `reason` ("future" or null).

    `earlier` holds clean events of nights before; `end` is the night's: from it on is the future.
    """
    before = events.limit(0) if earlier is None else _beside(earlier, events, within_seconds)
    marked = mark_duplicates(events, before, within_seconds)
    future = F.col(DUPLICATE).isNull() & (F.col(TIME) >= F.lit(end))
    return marked.withColumn(REASON, F.when(future, FUTURE))


def _beside(earlier: DataFrame, events: DataFrame, within_seconds: float) -> DataFrame:
    """Return the earlier events that tonight's could repeat: of their time and after, and of their keys."""
    first = events.agg(F.min(F.unix_micros(TIME))).collect()[0][0]
    if first is None:
        return earlier.limit(0)
    # a literal, so that only the files and row groups of that time are read
    begin = F.timestamp_micros(F.lit(first - round(within_seconds * 1e6)))
    recent = earlier.where(F.col(TIME) >= begin)
    return recent.select(*SAME, TIME).join(events.select(*SAME).distinct(), list(SAME), "left_semi")


def mark_bots(events: DataFrame, bots: DataFrame) -> DataFrame:
    """Return the events with the reason "bot" on those of the users in `bots` that have no fate yet."""
    found = bots.select("user_id", F.lit(True).alias("_bot"))
    joined = events.join(F.broadcast(found), "user_id", "left")
    return joined.withColumn(
        REASON, F.when(is_clean() & F.col("_bot").isNotNull(), BOT).otherwise(F.col(REASON))
    ).drop("_bot")


def is_clean() -> Column:
    """Return whether a labelled event is neither a duplicate nor quarantined."""
    return F.col(DUPLICATE).isNull() & F.col(REASON).isNull()


def is_quarantined() -> Column:
    """Return whether a labelled event is quarantined; a duplicate is not, whatever else is wrong with it."""
    return F.col(DUPLICATE).isNull() & F.col(REASON).isNotNull()


def count_fates(events: DataFrame) -> tuple[dict[str, int], dict[str, int]]:
    """Return (duplicates by kind, quarantined rows by reason)."""
    rows = events.groupBy(DUPLICATE, REASON).count().collect()
    duplicates: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for row in rows:
        if row[DUPLICATE]:
            duplicates[row[DUPLICATE]] = duplicates.get(row[DUPLICATE], 0) + row["count"]
        elif row[REASON]:
            reasons[row[REASON]] = row["count"]
    return dict(sorted(duplicates.items())), dict(sorted(reasons.items()))
