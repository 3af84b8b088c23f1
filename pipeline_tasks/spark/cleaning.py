"""A table's declared strategies: a frame with nulls in; filled, scaled, rows to drop marked with a reason out.

What is fitted (statistics, scales) is kept by the night that fitted it and used by the nights after it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.contracts import ColumnType, Contract
from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import Strategy
from pipeline_tasks.sources.casting import moment
from pipeline_tasks.spark import missing
from pipeline_tasks.spark.scaling import fit_scaling, scale

Strategies = Mapping[str, Sequence[Strategy]]
Fitted = dict[str, dict[str, dict[str, Any]]]

NUMBERS: tuple[ColumnType, ...] = ("float", "integer")
PLAIN: tuple[ColumnType, ...] = (*NUMBERS, "string", "boolean")
FITTING: dict[str, tuple[ColumnType, ...]] = {
    "drop": (*PLAIN, "timestamp", "strings", "vector"),
    "indicator": (*PLAIN, "timestamp", "strings", "vector"),
    "constant": (*PLAIN, "timestamp"),
    "mean": NUMBERS,
    "median": NUMBERS,
    "interpolate": NUMBERS,
    "mode": PLAIN,
    "predict": (*NUMBERS, "string"),
}


def check_plan(contract: Contract, strategies: Strategies, scales: Mapping[str, str], where: str) -> None:
    """Raise Refused, naming the settings key under `where`, for what a column's type does not allow."""
    for name, chosen in strategies.items():
        for strategy in chosen:
            _check_strategy(contract, name, strategy, f"{where}.missing.{contract.name}.{name}")
    for name in scales:
        if contract.column(name).type not in NUMBERS:
            raise Refused(f"{where}.scale.{contract.name}.{name}: only numbers can be scaled")


def _check_strategy(contract: Contract, name: str, strategy: Strategy, key: str) -> None:
    kind, found = strategy.strategy, contract.column(name).type
    if found not in FITTING[kind]:
        raise Refused(
            f"{key}: {kind} does not suit a column of type {found}", f"it suits {_list(FITTING[kind])}"
        )
    if kind == "constant" and not _is_a(strategy.value, found):
        raise Refused(f"{key}: the constant {strategy.value!r} is no {found}")
    if kind == "predict":
        usable = [each.name for each in contract.columns if each.type in PLAIN and each.name != name]
        wrong = [other for other in strategy.by if other not in usable]
        if wrong or not strategy.by:
            raise Refused(f"{key}: cannot predict by {_list(strategy.by)}", f"choose among {_list(usable)}")


def _constant(value: float | str | None, wanted: ColumnType) -> float | str | datetime | None:
    """Return a declared constant as a value of the column's type; a text is read as a moment as in a source."""
    return moment(value) if wanted == "timestamp" and isinstance(value, str) else value


def _is_a(value: float | str | None, wanted: ColumnType) -> bool:
    if wanted == "timestamp":
        return isinstance(_constant(value, wanted), datetime)
    if wanted in NUMBERS:
        return isinstance(value, float | int)
    if wanted == "boolean":
        return value in (0, 1, "true", "false")
    return isinstance(value, str)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "no column"


def drops(strategies: Strategies) -> bool:
    """Say whether any row could be dropped."""
    return any(strategy.strategy == "drop" for chosen in strategies.values() for strategy in chosen)


def wanted(strategies: Strategies, scales: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return what has to be fitted: {"fills": {column: statistic}, "scales": {column: kind}}."""
    fills = {
        name: strategy.strategy
        for name, chosen in strategies.items()
        for strategy in chosen
        if strategy.strategy in missing.STATISTICS
    }
    return {"fills": dict[str, str](fills), "scales": dict(scales)}


def fit(frame: DataFrame, what: Mapping[str, Mapping[str, str]]) -> Fitted:
    """Return `what` (see `wanted`) fitted on the values that are there; a column without any is left out."""
    values = missing.fit_fills(frame, what["fills"])
    fills = {
        name: {"kind": what["fills"][name], "value": value}
        for name, value in values.items()
        if value is not None
    }
    return {"fills": fills, "scales": fit_scaling(frame, what["scales"])}


def prefer(first: Fitted, second: Fitted, what: Mapping[str, Mapping[str, str]]) -> Fitted:
    """Return for everything in `what` the first's entry, or where it has none of that kind the second's."""
    found: Fitted = {}
    for part, kinds in what.items():
        entries = {**_of_kind(second.get(part, {}), kinds), **_of_kind(first.get(part, {}), kinds)}
        found[part] = {name: entries[name] for name in kinds if name in entries}
    return found


def _of_kind(entries: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    return {name: entry for name, entry in entries.items() if entry["kind"] == kinds.get(name)}


def handle_missing(
    frame: DataFrame, contract: Contract, strategies: Strategies, fitted: Fitted, seed: int
) -> DataFrame:
    """Return the frame after every column's strategies, in their order, and scaled, with a column `reason`.

    Rows to drop have the reason "missing_<column>". Indicators speak of what came in, whatever was filled.
    """
    if missing.REASON not in frame.columns:
        frame = frame.withColumn(missing.REASON, F.lit(None).cast("string"))
    for name, chosen in strategies.items():
        if any(strategy.strategy == "indicator" for strategy in chosen):
            frame = missing.add_indicator(frame, name)
    for name, chosen in strategies.items():
        for strategy in chosen:
            frame = _apply(frame, contract, name, strategy, fitted["fills"].get(name, {}), seed)
    return scale(frame, fitted["scales"])


def _apply(
    frame: DataFrame, contract: Contract, name: str, strategy: Strategy, fill: Mapping[str, Any], seed: int
) -> DataFrame:
    kind = strategy.strategy
    if kind == "drop":
        return missing.mark_dropped(frame, name)
    if kind == "constant":
        return missing.fill_constant(frame, name, _constant(strategy.value, contract.column(name).type))
    if kind == "interpolate":
        *entity, time = contract.key
        # versions of items and users are looked at as they were on earlier days, which knew no later ones
        along_time = missing.carry_forward if contract.kind == "snapshot" else missing.interpolate
        return along_time(frame, name, entity, time)
    if kind == "predict":
        # imported late: few sources ask for a model, and pyspark.ml takes its time
        from pipeline_tasks.spark.prediction import predict

        return predict(frame, name, strategy.by, seed)
    if kind == "indicator":
        return frame
    return missing.fill_constant(frame, name, fill.get("value") if fill.get("kind") == kind else None)
