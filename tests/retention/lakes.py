"""A lake as many nights leave it, without running them: every layer of every night, small."""

import json
import re
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline_tasks.contracts import FEATURE_VIEWS
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log
from pipeline_tasks.publishing.log import Change
from pipeline_tasks.settings import night_end
from tests.stages.published_night import write_checked, write_records

# after the night of the model that made every version of tests.lists
FIRST = date(2026, 2, 1)
ROWS = pa.table({"row": [1]})
# what a night looks back over is short here, so that few nights are enough
SHORT: dict[str, Any] = {
    "features": {"snapshots": 2},
    "dataset": {"holdout_max_days": 1},
    "ranking": {"days": 2},
}
TABLES = (
    *(f"quarantine/{name}" for name in ("interactions", "items", "users", "items_cleaning")),
    *("clean/items", "clean/users", "vocabulary/items", "vocabulary/users"),
    *(f"training/{name}" for name in ("items", "users", "sequences", "split", "examples")),
    *("staged/similar_items", "staged/popular"),
)


def day(number: int) -> date:
    """Return the night of that number, from 1."""
    return FIRST + timedelta(days=number - 1)


def put(store: Store, place: str, table: pa.Table = ROWS, after: date | None = None, **facts: Any) -> None:
    tables.write_table(store, place, table, after=after, facts=facts)


def write_raw(store: Store, night: date, upto: date, *, rejected: int = 0, derived: bool = False) -> None:
    """Write the arrivals of the dates after `night`'s predecessor: those of `night` up to `upto`, which wrote them."""
    for table in ("interactions", "items", "users"):
        put(store, layout.raw(table, night), night=str(upto), total=1, derived=derived)
        bad = ROWS if rejected and table == "interactions" else ROWS.slice(0, 0)
        put(store, layout.raw(f"{table}_rejected", night), bad, night=str(upto))


def write_model(store: Store, night: date, digit: str, name: str, cut: date) -> str:
    """Write a model that knows what was before the end of `cut`; return its version."""
    version = f"{night}-{digit * 12}"
    config = {"name": name, "cut": int(night_end(cut).timestamp()), "facts": {}}
    for file, content in (("weights.safetensors", b"w"), ("config.json", json.dumps(config).encode())):
        store.write(f"{layout.model(version)}/{file}", content)
    return version


def write_decision(store: Store, night: date, version: str, role: str = "challenger") -> None:
    content = {"model_version": version, "role": role, "name": "transformer"}
    store.write(layout.champion(night), json.dumps(content).encode())


def write_night(store: Store, folder: Path, number: int, *, live: bool = True, **verdict: Any) -> str:
    """Write every layer of a night after the one before it; return its version."""
    night, before = day(number), day(number - 1) if number > 1 else None
    write_raw(store, night, night)
    for table in TABLES:
        put(store, layout.night(table, night))
    put(store, layout.night("clean/interactions", night), after=before)
    for view in FEATURE_VIEWS:
        put(store, layout.night(f"features/{view}", night), written_by=str(night))
    put(store, layout.night(layout.encoded("abc"), night))
    if number == 1:
        put(store, layout.night("features/text_encoder", night), width=2)
    for key in (
        layout.gate(night),
        f"{layout.data_docs(night)}/index.html",
        f"{layout.report(night)}/index.html",
    ):
        store.write(key, b"{}")
    store.write(layout.candidates(night), b"{}")
    store.write(layout.checkpoint(night, "transformer"), b"w")
    write_model(store, night, "b", "popular", night - timedelta(days=1))
    write_decision(store, night, write_model(store, night, "a", "transformer", night - timedelta(days=1)))
    write_records(store, night=night)
    checked = write_checked(
        store, folder / str(number), night, {"ann": ["i1"], f"u{number}": ["i1"]}, **verdict
    )
    if live:
        publish(store, checked.version, checked.manifest_sha256)
    return checked.version


def publish(store: Store, version: str, sha256: str) -> None:
    log.append(
        store, Change(version, version[:10], sha256, "publish", "a test", "a night"), lambda live: None
    )


def left(store: Store, prefix: str) -> set[str]:
    """Return the numbers of the nights that have something under the prefix."""
    return {str((date.fromisoformat(found) - FIRST).days + 1) for found in _dates(store.keys(prefix))}


def _dates(keys: Iterable[str]) -> set[str]:
    return {match[0] for key in keys if (match := re.search(r"\d{4}-\d{2}-\d{2}", key))}


def nights(*numbers: int) -> set[str]:
    return {str(number) for number in numbers}
