"""Scaling: numeric columns in, parameters fitted on them and columns <name>_scaled out."""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# sums of decimals are exact, so that they do not depend on the order in which partitions arrive
EXACT = "decimal(38,9)"


def fit_scaling(frame: DataFrame, kinds: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return for each column {"kind", "center", "spread"}, fitted on the values that are there.

    standard: mean and standard deviation (of the population); min_max: least value and range; log: nothing
    is fitted. A column without a value is left out.
    """
    if not kinds:
        return {}
    moments: list[Column] = []
    for name in kinds:
        value = F.col(name).cast("double")
        moments += [F.min(value), F.max(value), _mean(value), _mean(value * value)]
    row = list(frame.agg(*moments).collect()[0])
    found = {name: row[4 * n : 4 * n + 4] for n, name in enumerate(kinds)}
    return {
        name: {"kind": kind, **_parameters(kind, *found[name])}
        for name, kind in kinds.items()
        if found[name][0] is not None
    }


def _mean(value: Column) -> Column:
    return F.avg(value.cast(EXACT))


def _parameters(kind: str, least: float, most: float, mean: Decimal, square: Decimal) -> dict[str, float]:
    if kind == "standard":
        return {"center": float(mean), "spread": math.sqrt(max(square - mean * mean, Decimal(0)))}
    if kind == "min_max":
        return {"center": least, "spread": most - least}
    return {"center": 0.0, "spread": 1.0}


def scale(frame: DataFrame, fitted: Mapping[str, Mapping[str, Any]]) -> DataFrame:
    """Return the frame with <name>_scaled = (x - center) / spread, for "log" of log1p(x); null stays null.

    A column that was constant when it was fitted is scaled to 0. Values beyond those seen in fitting go
    beyond the range of min_max: nothing is cut off.
    """
    for name, how in fitted.items():
        value = F.col(name).cast("double")
        if how["kind"] == "log":
            value = F.signum(value) * F.log1p(F.abs(value))
        centered = value - F.lit(how["center"])
        scaled = centered / F.lit(how["spread"]) if how["spread"] else centered * F.lit(0.0)
        frame = frame.withColumn(f"{name}_scaled", scaled)
    return frame
