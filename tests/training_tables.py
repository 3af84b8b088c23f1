"""Small clean tables and feature snapshots, committed to a lake as preprocess and features commit them."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from pipeline_tasks.contracts import FEATURE_VIEWS, SOURCE_TABLES, ColumnType
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.settings import night_end
from tests import builders

TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int32(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
    "strings": pa.list_(pa.string()),
    "vector": pa.list_(pa.float32()),
}
WIDTH = 4


def feature_row(view: str, day: date, **fields: Any) -> dict[str, Any]:
    """Return one row of a feature view at the end of `day`; every number is 1 unless it is named."""
    defaults: dict[ColumnType, Any] = {
        "string": "x",
        "integer": 1,
        "float": 1.0,
        "vector": [1.0] + [0.0] * (WIDTH - 1),
    }
    row = {column.name: defaults.get(column.type) for column in FEATURE_VIEWS[view].columns}
    return {**row, "event_timestamp": night_end(day), **fields}


def write_snapshot(
    lake: Store, view: str, day: date, rows: Iterable[dict[str, Any]], written_by: date | None = None
) -> None:
    """Commit a view's snapshot at the end of `day`."""
    schema = pa.schema({column.name: TYPES[column.type] for column in FEATURE_VIEWS[view].columns})
    table = pa.Table.from_pylist([feature_row(view, day, **row) for row in rows], schema)
    facts = {"written_by": str(written_by or day)}
    tables.write_table(lake, layout.night(f"features/{view}", day), table, facts=facts, name="part.parquet")


def write_snapshots(
    lake: Store,
    days: Iterable[date],
    users: Iterable[str],
    items: Iterable[str],
    written_by: date | None = None,
) -> None:
    """Commit snapshots of all three views with default features for these users and items."""
    users, items = list(users), list(items)
    for day in days:
        write_snapshot(lake, "user_features", day, [{"user_id": user} for user in users], written_by)
        write_snapshot(lake, "item_features", day, [{"item_id": item} for item in items], written_by)
        write_snapshot(
            lake, "context_features", day, [{"hour_of_week": hour} for hour in range(168)], written_by
        )


def write_clean(
    lake: Store,
    night: date,
    events: Sequence[dict[str, Any]],
    *,
    users: Sequence[dict[str, Any]] = (),
    items: Sequence[dict[str, Any]] = (),
    vocabulary: tuple[Sequence[str], Sequence[str]] | None = None,
    after: date | None = None,
) -> None:
    """Commit a night's clean tables; the vocabulary is given, or all ids in their order."""
    rows = builders.interactions(events)
    user_ids, item_ids = vocabulary or (
        sorted({row["user_id"] for row in (*rows, *users)}),
        sorted({row["item_id"] for row in (*rows, *items)}),
    )
    user_index = {name: place for place, name in enumerate(user_ids, 1)}
    item_index = {name: place for place, name in enumerate(item_ids, 1)}
    _write(lake, "clean/interactions", night, _schema("interactions", {}), rows, after)
    _write(lake, "clean/users", night, _schema("users", {}), [builders.user(**row) for row in users])
    versions = [{"tokens": [], **builders.item(**row)} for row in items]
    _write(lake, "clean/items", night, _schema("items", {"tokens": TYPES["strings"]}), versions)
    for table, key, known in (("users", "user", user_index), ("items", "item", item_index)):
        schema = pa.schema({f"{key}_id": pa.string(), f"{key}_index": pa.int32()})
        _write(
            lake,
            f"vocabulary/{table}",
            night,
            schema,
            [dict(zip(schema.names, row, strict=True)) for row in known.items()],
        )


def days_up_to(night: date, count: int) -> list[date]:
    """Return the last `count` days up to and with `night`, oldest first."""
    return [night - timedelta(days=back) for back in reversed(range(count))]


def _schema(table: str, more: dict[str, pa.DataType] | None = None) -> pa.Schema:
    return pa.schema({c.name: TYPES[c.type] for c in SOURCE_TABLES[table].columns} | (more or {}))


def _write(
    lake: Store,
    table: str,
    night: date,
    schema: pa.Schema,
    rows: Sequence[dict[str, Any]],
    after: date | None = None,
) -> None:
    tables.write_table(
        lake, layout.night(table, night), pa.Table.from_pylist(list(rows), schema), after=after
    )
