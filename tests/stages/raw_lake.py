"""A lake as ingest and validate leave it: rows of the builders in, a night's raw/ and quarantine/ out."""

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_schema

from pipeline_tasks.contracts import SOURCE_TABLES
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.quality.predicates import split
from pipeline_tasks.settings import Settings
from pipeline_tasks.spark.arrivals import REJECTED
from pipeline_tasks.spark.raw_night import read_raw_night
from pipeline_tasks.spark.schemas import schema
from pipeline_tasks.spark.staging import open_staging
from tests import builders
from tests.sources_on_disk import declare, write_interactions

Rows = Iterable[dict[str, Any]]


def shop(make_settings: Any, tmp_path: Path, **source: Any) -> Settings:
    """Return settings of a shop with items and users; keywords are keys of its source."""
    for name in ("items.jsonl", "users.csv"):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / name).touch()
    write_interactions(tmp_path / "data", "u,i,view,2026-01-01")
    declared = declare(items={}, users={})
    declared["sources"]["tiny"].update(source)
    settings: Settings = make_settings(**declared)
    return settings


def put_night(
    settings: Settings,
    lake: Any,
    night: date,
    interactions: Rows,
    items: Rows = ({},),
    users: Rows = ({},),
    rejected: int = 0,
) -> None:
    """Write the night's raw tables (`rejected` interactions could not be typed) and what validation finds."""
    rows = {
        "interactions": builders.interactions(interactions),
        "items": [builders.item(**fields) for fields in items],
        "users": [builders.user(**fields) for fields in users],
    }
    for name, contract in SOURCE_TABLES.items():
        table = pa.Table.from_pylist(rows[name], to_arrow_schema(schema(contract)))
        facts = {"night": str(night), "derived": False}
        tables.write_table(lake, layout.raw(name, night), table, facts=facts)
        bad = [{"id": None, "row": f"{n}", "reason": "bad", "reasons": ["bad"], "digest": f"{n}"}
               for n in range(rejected if name == "interactions" else 0)]  # fmt: skip
        place = layout.raw(f"{name}_rejected", night)
        tables.write_table(lake, place, pa.Table.from_pylist(bad, to_arrow_schema(REJECTED)))
    _validate(settings, night)


def _validate(settings: Settings, night: date) -> None:
    types = settings.sources[settings.source].event_types
    with open_staging(settings, "tests") as staging:
        raw = read_raw_night(staging, night)
        for name, contract in SOURCE_TABLES.items():
            known = raw.known_items if name == "interactions" else None
            _, bad = split(raw.frames[name], contract, types, known)
            staging.write(bad, layout.night(f"quarantine/{name}", night), sort=contract.names)
        staging.store.write(layout.gate(night), json.dumps(raw.inputs).encode())


def rows_of(lake: Any, table: str, night: date) -> list[dict[str, Any]]:
    """Return the rows of a night's partition."""
    found: list[dict[str, Any]] = tables.read_table(lake, layout.night(table, night), "this").to_pylist()
    return found
