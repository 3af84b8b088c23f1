"""Quarantine predicates made from the contracts: a typed frame in; good rows, and bad ones with reasons out."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline_tasks.contracts import Contract
from pipeline_tasks.quality.rules import DUPLICATE_KEY, UNKNOWN_ITEM, Rule, has_unique_key, row_rules

REASONS = "reasons"


def split(
    frame: DataFrame,
    contract: Contract,
    event_types: Sequence[str] = (),
    known_items: DataFrame | None = None,
) -> tuple[DataFrame, DataFrame]:
    """Return the rows that the contract takes, and the others with their `reasons`; see `reasons`."""
    judged = reasons(frame, contract, event_types, known_items)
    good = F.size(REASONS) == 0
    return judged.filter(good).drop(REASONS), judged.filter(~good)


def reasons(
    frame: DataFrame,
    contract: Contract,
    event_types: Sequence[str] = (),
    known_items: DataFrame | None = None,
) -> DataFrame:
    """Add the column `reasons` (array<string>, empty for a good row) to a frame of the contract's columns.

    `known_items` has one column, item_id; without it every item counts as known. Of several rows of one key
    (snapshots only) one is kept: a good one before a bad one, then the first in the order of all columns.
    """
    rules = [rule for rule in row_rules(contract, event_types) if rule.column.severity == "quarantine"]
    found = [F.when(broken(rule), F.lit(rule.reason)) for rule in rules]
    columns = frame.columns
    if known_items is not None:
        known = known_items.select("item_id", F.lit(True).alias("_known")).distinct()
        frame = frame.join(known, "item_id", "left")
        unknown = F.col("item_id").isNotNull() & F.col("_known").isNull()
        found.append(F.when(unknown, F.lit(UNKNOWN_ITEM)))
    judged = frame.withColumn(REASONS, F.array_compact(F.array(*found)))
    if has_unique_key(contract):
        judged = judged.withColumn(REASONS, F.concat(REASONS, _duplicate(contract)))
    return judged.select(*columns, REASONS)


def broken(rule: Rule) -> Column:
    """Return whether a row breaks the rule; never null."""
    value = F.col(rule.column.name)
    if rule.kind == "missing":
        return value.isNull()
    if rule.kind == "too_long":
        return F.coalesce(F.length(value) > F.lit(rule.column.max_characters), F.lit(False))
    if rule.kind == "not_allowed":
        return value.isNotNull() & ~F.coalesce(value.isin(*rule.allowed), F.lit(False))
    low, high = rule.column.minimum, rule.column.maximum
    below = F.lit(False) if low is None else value < low
    above = F.lit(False) if high is None else value > high
    return F.coalesce(below | above, F.lit(False))


def _duplicate(contract: Contract) -> Column:
    """Return [duplicate_key] for every row of a key but the one that is kept, else []."""
    best_first = (F.size(REASONS), *(F.col(name).asc_nulls_last() for name in contract.names))
    place = F.row_number().over(Window.partitionBy(*contract.key).orderBy(*best_first))
    duplicate = F.col(contract.key[0]).isNotNull() & (place > 1)
    return F.when(duplicate, F.array(F.lit(DUPLICATE_KEY))).otherwise(F.array().cast("array<string>"))
