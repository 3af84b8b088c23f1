"""The final tables and their violations in, broken rules out: Great Expectations decides what may go live.

What a contract says of single columns GX counts itself, on Spark, over the files that consumers will read.
Rules that join tables are counted by queries (see rules), and GX judges their counts.
"""

import os
from typing import Any

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.data_context.types.base import ProgressBarsConfig
from pyspark.sql import DataFrame

from pipeline_tasks.contracts import PUBLISHED_TABLES, Contract
from pipeline_tasks.publishing.rules import Violations
from pipeline_tasks.quality.failures import SPARK_TYPES, Failure, failure_of


class Judge:
    """A GX context that keeps nothing and sends nothing."""

    def __init__(self) -> None:
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._spark = self._context.data_sources.add_spark("tables")
        self._pandas = self._context.data_sources.add_pandas("counts")

    def failed(self, name: str, frame: DataFrame | pd.DataFrame, expectations: list[Any]) -> list[Any]:
        """Return GX's results, with counts and examples, of the expectations that do not hold.

        Whether they hold takes one pass for all of them; counts and examples take several for each.
        """
        source = self._pandas if isinstance(frame, pd.DataFrame) else self._spark
        asset = source.add_dataframe_asset(name)
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
        suite = gx.ExpectationSuite(name, expectations=expectations)
        held = batch.validate(suite, result_format="BOOLEAN_ONLY").results
        broken = {_key(each.expectation_config) for each in held if not each.success}
        if not broken:
            return []
        again = [each for each in expectations if _key(each.configuration) in broken]
        suite = gx.ExpectationSuite(f"{name}-broken", expectations=again)
        return list(batch.validate(suite, result_format="BASIC").results)


def judge(tables: dict[str, DataFrame], found: list[Violations]) -> tuple[list[Failure], int]:
    """Return the broken rules, those that break most often first, and how many rules were judged."""
    context = Judge()
    failures: list[Failure] = []
    judged = 0
    for name, frame in tables.items():
        expectations = _of_columns(PUBLISHED_TABLES[name])
        judged += len(expectations)
        failures += [failure_of(name, result) for result in context.failed(name, frame, expectations)]
    expectations = [_at_most_tolerated(each) for each in found]
    judged += len(expectations)
    results = context.failed("violations", _counts(found), expectations)
    by_column = {_column(each): each for each in found}
    broken = [by_column[each.expectation_config.kwargs["column"]] for each in results]
    failures += [Failure(each.table, each.rule, each.count, each.examples) for each in broken]
    return sorted(failures, key=lambda failure: -failure.count), judged


def _key(config: Any) -> tuple[str, str]:
    return config.type, str(config.kwargs.get("column"))


def _of_columns(contract: Contract) -> list[Any]:
    rules: list[Any] = [gxe.ExpectTableColumnsToMatchSet(column_set=contract.names, exact_match=True)]
    for column in contract.columns:
        rules.append(
            gxe.ExpectColumnValuesToBeInTypeList(column=column.name, type_list=SPARK_TYPES[column.type])
        )
        if not column.nullable:
            rules.append(gxe.ExpectColumnValuesToNotBeNull(column=column.name))
        if column.minimum is not None or column.maximum is not None:
            rules.append(
                gxe.ExpectColumnValuesToBeBetween(
                    column=column.name, min_value=column.minimum, max_value=column.maximum
                )
            )
        if column.max_characters:
            rules.append(
                gxe.ExpectColumnValueLengthsToBeBetween(
                    column=column.name, min_value=1, max_value=column.max_characters
                )
            )
    return rules


def _at_most_tolerated(found: Violations) -> Any:
    return gxe.ExpectColumnValuesToBeBetween(column=_column(found), min_value=0, max_value=found.tolerated)


def _counts(found: list[Violations]) -> pd.DataFrame:
    """Return one row with a count a rule: a frame so small that Spark would only be in the way."""
    return pd.DataFrame([{_column(each): each.count for each in found}])


def _column(found: Violations) -> str:
    return f"{found.table}__{found.rule}"
