"""A broken rule, for people: a result of GX in, or what a query counted; table, rule, count and examples out."""

from dataclasses import dataclass
from typing import Any

from pipeline_tasks.contracts import ColumnType

EXAMPLES = 3
SPARK_TYPES: dict[ColumnType, list[str]] = {
    "string": ["StringType"],
    "integer": ["IntegerType", "LongType"],
    "float": ["FloatType", "DoubleType"],
    "boolean": ["BooleanType"],
    "timestamp": ["TimestampType"],
}


@dataclass(frozen=True)
class Failure:
    """A broken rule: in which table, which expectation, how often, and a few cases."""

    table: str
    expectation: str
    count: int
    examples: list[str]

    def __str__(self) -> str:
        return self.told(examples=True)

    def told(self, *, examples: bool) -> str:
        """Return the failure in a line; its cases are rows, and may name people."""
        shown = f", as {'; '.join(self.examples)}" if examples and self.examples else ""
        return f"{self.table}: {self.expectation} fails {self.count:,} times{shown}"


def failure_of(table: str, result: Any) -> Failure:
    """Return the failure behind GX's result of one expectation."""
    config = result.expectation_config
    column = config.kwargs.get("column", "columns")
    raised = [each for each in exceptions(result.exception_info) if each]
    if raised:
        return Failure(table, f"{config.type}({column}): {raised[0]}", 1, [])
    values = [f"{column}={str(value)[:60]!r}" for value in result.result.get("partial_unexpected_list", ())]
    shown = values or [f"found {result.result.get('observed_value')!r}"]
    return Failure(
        table, f"{config.type}({column})", int(result.result.get("unexpected_count") or 1), shown[:EXAMPLES]
    )


def exceptions(info: Any) -> list[str]:
    """Return the messages in GX's exception info, which is one dictionary, or one for each metric."""
    if not isinstance(info, dict):
        return []
    if "raised_exception" in info:
        return [str(info["exception_message"])] if info["raised_exception"] else []
    return [message for each in info.values() for message in exceptions(each)]
