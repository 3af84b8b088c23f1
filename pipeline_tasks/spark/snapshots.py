"""What was known at a stamp: versions, entities and events with moments in, one row a stamp out.

Everything here is strictly before the stamp. All stamps are made in one pass over the data: a column a
stamp while summing (`at_each`), a row a stamp at the end (`rows_of`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

STAMP = "event_timestamp"


def at_each(stamps: Sequence[datetime], name: str, make: Callable[[Column], Column]) -> list[Column]:
    """Return `make(stamp)` for every stamp, called <name>_0, <name>_1, …"""
    return [make(F.lit(stamp)).alias(f"{name}_{n}") for n, stamp in enumerate(stamps)]


def rows_of(frame: DataFrame, keys: Sequence[str], stamps: Sequence[datetime], *names: str) -> DataFrame:
    """Return one row a key and stamp with columns `names`, taken from <name>_0, <name>_1, …"""
    rows = [
        F.struct(F.lit(stamp).alias(STAMP), *[F.col(f"{name}_{n}").alias(name) for name in names])
        for n, stamp in enumerate(stamps)
    ]
    return frame.select(*keys, F.inline(F.array(*rows)))


def each_stamp(frame: DataFrame, stamps: Sequence[datetime]) -> DataFrame:
    """Return every row once for each stamp."""
    return frame.withColumn(STAMP, F.explode(F.array(*[F.lit(stamp) for stamp in stamps])))


def newest_versions(versions: DataFrame, entity: str, stamps: Sequence[datetime]) -> DataFrame:
    """Return each entity's newest version at each stamp: the last with updated_at before it, or null."""
    order = Window.partitionBy(entity).orderBy(F.asc_nulls_first("updated_at"))
    dated = versions.withColumn("_next", F.lead("updated_at").over(order))
    newest = F.col("_next").isNull() | (F.col("_next") >= F.col(STAMP))
    return each_stamp(dated, stamps).where(_before_stamp("updated_at") & newest).drop("_next")


def known_entities(versions: DataFrame, entity: str, since: str, stamps: Sequence[datetime]) -> DataFrame:
    """Return the entities whose earliest `since` lies before a stamp, with it; one without a date always."""
    dated = versions.groupBy(entity).agg(F.min(since).alias(since))
    return each_stamp(dated, stamps).where(_before_stamp(since))


def _before_stamp(moment: str) -> Column:
    return F.col(moment).isNull() | (F.col(moment) < F.col(STAMP))


def activity(
    events: DataFrame, entity: str, stamps: Sequence[datetime], windows_days: Sequence[int]
) -> DataFrame:
    """Return for each entity with events before a stamp: events_<n>d, events_total, first_event, last_event.

    `events` has event_time and known_at, the moment from which on an event may be used.
    """
    totals: Mapping[str, Callable[[Column], Column]] = {
        **{f"events_{days}d": _count_since(days) for days in windows_days},
        "events_total": lambda stamp: F.count_if(F.col("known_at") < stamp),
        "first_event": lambda stamp: F.min(F.when(F.col("known_at") < stamp, F.col("event_time"))),
        "last_event": lambda stamp: F.max(F.when(F.col("known_at") < stamp, F.col("event_time"))),
    }
    columns = [column for name, make in totals.items() for column in at_each(stamps, name, make)]
    wide = events.groupBy(entity).agg(*columns)
    return rows_of(wide, [entity], stamps, *totals).where(F.col("events_total") > 0)


def _count_since(days: int) -> Callable[[Column], Column]:
    def count(stamp: Column) -> Column:
        begin = stamp - F.make_dt_interval(F.lit(days))
        return F.count_if((F.col("known_at") < stamp) & (F.col("event_time") >= begin))

    return count


def days_between(earlier: str, later: str) -> Column:
    """Return the days from one timestamp column to another, with fractions."""
    return (F.unix_micros(later) - F.unix_micros(earlier)) / F.lit(86_400e6)
