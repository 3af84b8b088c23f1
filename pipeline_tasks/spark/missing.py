"""Missing values: a frame with nulls in, the frame with one column handled by one strategy out.

Statistics are fitted apart from being used, so that a night can use what was fitted on the past.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline_tasks.spark.scaling import EXACT

REASON = "reason"
STATISTICS = ("mean", "median", "mode")


def count_missing(frame: DataFrame, columns: Sequence[str]) -> dict[str, int]:
    """Return how many rows have no value, for each column."""
    if not columns:
        return {}
    row = frame.agg(*[F.count_if(F.col(name).isNull()) for name in columns]).collect()[0]
    return dict(zip(columns, row, strict=True))


def mark_dropped(frame: DataFrame, column: str) -> DataFrame:
    """Return the frame with `reason` = "missing_<column>" on the rows without a value that have none yet."""
    found = F.when(F.col(column).isNull(), F.lit(f"missing_{column}"))
    earlier = F.col(REASON) if REASON in frame.columns else F.lit(None).cast("string")
    return frame.withColumn(REASON, F.coalesce(earlier, found))


def fill_constant(frame: DataFrame, column: str, value: Any) -> DataFrame:
    """Return the frame with `value`, cast to the column's type, where there is none; a null fills nothing."""
    return frame.withColumn(column, F.coalesce(F.col(column), _typed(frame, column, F.lit(value))))


def fit_fills(frame: DataFrame, wanted: Mapping[str, str]) -> dict[str, Any]:
    """Return each column's "mean", "median" or "mode" over its values; None where it has none.

    Of several modes it is the least.
    """
    if not wanted:
        return {}
    row = frame.agg(*[_statistic(name, kind) for name, kind in wanted.items()]).collect()[0]
    return dict(zip(wanted, row, strict=True))


def _statistic(column: str, kind: str) -> Column:
    if kind == "mean":
        return F.avg(F.col(column).cast(EXACT)).cast("double")
    if kind == "median":
        return F.percentile(column, 0.5)
    return F.mode(column, deterministic=True)


def interpolate(frame: DataFrame, column: str, entity: Sequence[str], time: str) -> DataFrame:
    """Return the frame with the column filled linearly over `time` between rows of the same entity.

    Before its first and after its last value an entity keeps that value; rows without a time come before
    all others. An entity without any value stays without.
    """
    forward = Window.partitionBy(*entity).orderBy(F.asc_nulls_first(time))
    backward = Window.partitionBy(*entity).orderBy(F.desc_nulls_last(time))
    here = F.when(F.col(column).isNotNull(), F.struct(F.col(column).alias("value"), F.col(time).alias("at")))
    known = frame.withColumn("_before", F.last(here, ignorenulls=True).over(forward)).withColumn(
        "_after", F.last(here, ignorenulls=True).over(backward)
    )
    before, after = F.col("_before.value"), F.col("_after.value")
    begin, span = F.unix_micros("_before.at"), F.unix_micros("_after.at") - F.unix_micros("_before.at")
    share = (F.unix_micros(time) - begin) / F.when(span > 0, span)
    between = F.coalesce(before + (after - before) * share, before, after)
    filled = F.coalesce(F.col(column), _typed(frame, column, between))
    return known.withColumn(column, filled).select(*frame.columns)


def carry_forward(frame: DataFrame, column: str, entity: Sequence[str], time: str) -> DataFrame:
    """Return the frame with the column's last value of the same entity, over `time`, where there is none.

    Rows without a time come before all others. Before its first value an entity stays without: what came later
    was not known then.
    """
    so_far = Window.partitionBy(*entity).orderBy(F.asc_nulls_first(time))
    return frame.withColumn(column, F.last(column, ignorenulls=True).over(so_far))


def add_indicator(frame: DataFrame, column: str) -> DataFrame:
    """Return the frame with a boolean <column>_missing."""
    return frame.withColumn(f"{column}_missing", F.col(column).isNull())


def _typed(frame: DataFrame, column: str, value: Column) -> Column:
    """Cast a value to the column's type; a whole number's is rounded first."""
    wanted = frame.schema[column].dataType
    rounded = F.round(value.cast("double")) if wanted.typeName() in ("integer", "long") else value
    return rounded.cast(wanted)
