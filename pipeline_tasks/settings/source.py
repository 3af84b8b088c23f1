"""The settings that declare a source: where its tables lie, what its columns mean, how they are cleaned."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipeline_tasks.contracts import SOURCE_TABLES


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def filled_up(defaults: Mapping[str, Any]) -> BeforeValidator:
    """Return what lets those keys of a dictionary that nobody has named keep their defaults."""
    return BeforeValidator(lambda given: {**defaults, **given} if isinstance(given, dict) else given)


class SourceTable(Section):
    """One table of the source: where it lies, how it is written, what its columns are called."""

    uri: str
    """File, folder or glob; relative to `data`, or file:// or s3://."""
    format: Literal["csv", "jsonl", "parquet"]
    """How the files are written: csv, jsonl or parquet."""
    delimiter: str = Field(",", min_length=1, max_length=1)
    """Between the cells of a line of CSV."""
    header: bool = True
    """Whether files of CSV begin with one; without, columns are called by their position: "0", "1", …"""
    list_separator: str = Field("|", min_length=1)
    """Between the values of a list column that is written as text."""
    null_values: tuple[str, ...] = ()
    """Texts that say "no value"; an empty cell always does."""
    columns: dict[str, str]
    """Column of the contract (see pipeline_tasks/contracts.py) = column of the source."""
    optional: bool = False
    """Whether the files may be absent (items and users only)."""


class Strategy(Section):
    """What to do where a column has no value."""

    strategy: Literal["drop", "constant", "mean", "median", "mode", "interpolate", "indicator", "predict"]
    """One of drop (the row), constant, mean, median, mode, interpolate (over time; of items and users the last
    value before), indicator (adds `<column>_missing`)
    and predict (by a model)."""
    value: float | str | None = None
    """Of constant: what is filled in."""
    by: tuple[str, ...] = ()
    """Of predict: the columns that it is predicted from."""


# a model's tables of events hold a type's number in a byte
MAX_EVENT_TYPES = 127
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Scaling = Literal["standard", "min_max", "log"]
# what keys of a dictionary are called in the table of settings
TableName = Annotated[str, "table"]
ColumnName = Annotated[str, "column"]


class Source(Section):
    """A source: its tables, its event types, and how its columns are prepared."""

    interactions: SourceTable
    """Who did what with which item, and when."""
    items: SourceTable | None = None
    """The catalogue, by the same keys; derived from the interactions when absent."""
    users: SourceTable | None = None
    """The users' attributes, by the same keys; derived from the interactions when absent."""
    events: dict[str, Weight] = Field({"view": 1.0}, max_length=MAX_EVENT_TYPES)
    """Event type = its weight in popularity, affinity and training, 0 or more; up to 127 types."""
    default_event: str = "view"
    """The type of an event that names none."""
    identity: str | None = None
    """What a lake remembers of this source; by default where its interactions lie."""
    segments: tuple[str, ...] = ()
    """User columns that get popular lists of their own."""
    missing: dict[TableName, dict[ColumnName, tuple[Strategy, ...]]] = {}
    """Table, column = what is done where it has no value, one after the other."""
    scale: dict[TableName, dict[ColumnName, Scaling]] = {}
    """Table, column = standard (by mean and deviation), min_max or log; adds `<column>_scaled`."""

    @model_validator(mode="after")
    def _columns_are_of_the_contract(self) -> Self:
        for name, contract in SOURCE_TABLES.items():
            table: SourceTable | None = getattr(self, name)
            declared = set(table.columns) if table else set()
            for where, columns in (
                ("columns", declared),
                ("missing", self.missing.get(name, {})),
                ("scale", self.scale.get(name, {})),
            ):
                unknown = sorted(set(columns) - set(contract.names))
                if unknown:
                    raise ValueError(
                        f"{name}.{where}: {unknown[0]!r} is no column; allowed: {', '.join(contract.names)}"
                    )
            absent = [column for column in contract.required if table and column not in declared]
            if absent:
                raise ValueError(f"{name}.columns: {absent[0]!r} must be mapped")
        if self.default_event not in self.events:
            raise ValueError(
                f"default_event: {self.default_event!r} is not in events: {', '.join(self.events)}"
            )
        unknown = sorted(set(self.segments) - set(SOURCE_TABLES["users"].names))
        if unknown:
            raise ValueError(f"segments: {unknown[0]!r} is no column of users")
        return self

    @property
    def event_types(self) -> list[str]:
        return list(self.events)
