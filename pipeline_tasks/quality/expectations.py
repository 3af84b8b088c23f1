"""Suites made from the contracts, judged by Great Expectations on Spark: frames in, verdicts and data docs out.

GX counts, it does not split: the rows that break a rule are put aside by predicates made from the same rules.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
import great_expectations.expectations as gxe
from great_expectations.data_context.types.base import ProgressBarsConfig
from pyspark.sql import DataFrame

from pipeline_tasks.contracts import Contract, Severity
from pipeline_tasks.quality.failures import EXAMPLES, SPARK_TYPES, Failure, failure_of
from pipeline_tasks.quality.rules import DUPLICATE_KEY, Rule, has_unique_key, row_rules

DOCS = Path("gx") / "uncommitted" / "data_docs" / "local_site"


@dataclass(frozen=True)
class Judged:
    """GX's verdict on a table: failures of each severity, and how often each row rule was broken."""

    failures: dict[Severity, list[Failure]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


class Gate:
    """A GX project in a scratch folder; it sends nothing anywhere. Its pages show cases, which may name people, if asked."""

    def __init__(self, folder: Path, *, examples: bool = True) -> None:
        self._folder = folder
        self._examples = EXAMPLES if examples else 0
        self._context = gx.get_context(mode="file", project_root_dir=str(folder))
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._source = self._context.data_sources.add_spark("raw")

    def judge(
        self,
        frame: DataFrame,
        contract: Contract,
        event_types: Sequence[str],
        *,
        may_be_empty: bool,
        fresh: tuple[datetime, datetime] | None = None,
    ) -> Judged:
        """Judge a typed frame by its contract; `fresh` asks the freshness column for something between two moments."""
        expectations = [
            *_of_table(contract, may_be_empty),
            *_of_rows(contract, event_types),
            *_of_freshness(contract, fresh),
        ]
        suite = self._context.suites.add(gx.ExpectationSuite(contract.name, expectations=expectations))
        batches = self._source.add_dataframe_asset(contract.name).add_batch_definition_whole_dataframe(
            "night"
        )
        definition = self._context.validation_definitions.add(
            gx.ValidationDefinition(name=contract.name, data=batches, suite=suite)
        )
        checkpoint = gx.Checkpoint(
            name=contract.name,
            validation_definitions=[definition],
            result_format={"result_format": "BASIC", "partial_unexpected_count": self._examples},
        )
        found = checkpoint.run(batch_parameters={"dataframe": frame})
        ((key, result),) = found.run_results.items()
        judged = _judged(contract, result.results)
        for each in result.results:
            each.result, each.exception_info = _as_html(each.result), _as_html(each.exception_info)
        self._context.validation_results_store.set(key, result)  # what the pages are made of
        return judged

    def data_docs(self) -> Path:
        """Build the HTML pages of all tables judged so far; return their folder."""
        self._context.build_data_docs()
        return self._folder / DOCS


def _of_table(contract: Contract, may_be_empty: bool) -> list[Any]:
    """Return what a table must be as a whole; a night that breaks it stops."""
    rules: list[Any] = [gxe.ExpectTableColumnsToMatchSet(column_set=contract.names, exact_match=True)]
    if not may_be_empty:
        rules.append(gxe.ExpectTableRowCountToBeBetween(min_value=1))
    rules += [
        gxe.ExpectColumnValuesToBeInTypeList(column=column.name, type_list=SPARK_TYPES[column.type])
        for column in contract.columns
        if column.type in SPARK_TYPES
    ]
    return [_meant(rule, "stop") for rule in rules]


def _of_rows(contract: Contract, event_types: Sequence[str]) -> list[Any]:
    rules = [
        _meant(_of_row(rule), rule.column.severity, rule.reason) for rule in row_rules(contract, event_types)
    ]
    if has_unique_key(contract):
        unique = gxe.ExpectCompoundColumnsToBeUnique(column_list=list(contract.key), ignore_row_if="never")
        rules.append(_meant(unique, "quarantine", DUPLICATE_KEY))
    return rules


def _of_row(rule: Rule) -> Any:
    column = rule.column
    if rule.kind == "missing":
        return gxe.ExpectColumnValuesToNotBeNull(column=column.name)
    if rule.kind == "too_long":
        return gxe.ExpectColumnValueLengthsToBeBetween(column=column.name, max_value=column.max_characters)
    if rule.kind == "not_allowed":
        return gxe.ExpectColumnValuesToBeInSet(column=column.name, value_set=list(rule.allowed))
    return gxe.ExpectColumnValuesToBeBetween(
        column=column.name, min_value=column.minimum, max_value=column.maximum
    )


def _of_freshness(contract: Contract, fresh: tuple[datetime, datetime] | None) -> list[Any]:
    if fresh is None or contract.freshness is None:
        return []
    since, end = fresh
    local = since.astimezone().replace(tzinfo=None)  # as Spark hands moments to Python
    newest = gxe.ExpectColumnMaxToBeBetween(
        column=contract.freshness,
        min_value=local,
        row_condition=f"{contract.freshness} < timestamp_micros({int(end.timestamp()) * 1_000_000})",
        condition_parser="spark",
    )
    return [_meant(newest, "warn")]


def _meant(expectation: Any, severity: Severity, reason: str = "") -> Any:
    expectation.meta = {"severity": severity, "reason": reason}
    return expectation


def _as_html(found: Any) -> Any:
    """Escape every text in what GX found: its templates put what events hold into pages as it is."""
    if isinstance(found, dict):
        return {key: _as_html(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [_as_html(value) for value in found]
    return escape(found) if isinstance(found, str) else found


def _judged(contract: Contract, results: Sequence[Any]) -> Judged:
    failures: dict[Severity, list[Failure]] = {"stop": [], "quarantine": [], "warn": []}
    counts = {}
    for result in results:
        meant = result.expectation_config.meta
        if not result.success:
            failures[meant["severity"]].append(failure_of(contract.name, result))
        if meant["reason"] and meant["reason"] != DUPLICATE_KEY:
            counts[meant["reason"]] = int(result.result.get("unexpected_count") or 0)
    return Judged(failures, counts)
