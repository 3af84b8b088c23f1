"""Duplicate events: tonight's events and the clean ones before in, tonight's marked "exact" or "near" out."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

SAME = ("user_id", "item_id", "event_type")
TIME = "event_time"


def mark_duplicates(events: DataFrame, earlier: DataFrame, within_seconds: float) -> DataFrame:
    """Return `events` with a column `duplicate`: null for the one that stays, else "exact" or "near".

    Events of the same user, item and type are the same event when they lie at most `within_seconds` apart,
    chained: the first stays. `earlier` holds events that are clean already (the columns of SAME, and
    event_time): they stay, so an event beside one of them is a duplicate on whichever side it lies.
    Among events with the same time the smallest in the other columns, in their order, stays.
    """
    known = earlier.select(*SAME, TIME).withColumn("_known", F.lit(True))
    both = events.withColumn("_known", F.lit(False)).unionByName(known, allowMissingColumns=True)
    rest = [F.asc(name) for name in events.columns if name not in (*SAME, TIME)]
    forward = Window.partitionBy(*SAME).orderBy(F.asc(TIME), F.desc("_known"), *rest)
    backward = Window.partitionBy(*SAME).orderBy(F.desc(TIME), F.asc("_known"))
    next_known = F.last(F.when(F.col("_known"), F.col(TIME)), ignorenulls=True).over(
        backward.rowsBetween(Window.unboundedPreceding, -1)
    )
    marked = (
        both.withColumn("_previous", F.lag(TIME).over(forward))
        .withColumn("_next", next_known)
        .withColumn("duplicate", _kind(within_seconds))
    )
    return marked.where(~F.col("_known")).select(*events.columns, "duplicate")


def _kind(within_seconds: float) -> Column:
    within = F.lit(round(within_seconds * 1e6))
    before = F.unix_micros(TIME) - F.unix_micros("_previous")
    after = F.unix_micros("_next") - F.unix_micros(TIME)
    return F.when(before == 0, "exact").when((before <= within) | (after <= within), "near")
