"""A lake after `recommend`, and the shop behind it: what check, publish, report and outcome start from."""

import json
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log
from tests.lists import MODEL, NIGHT, POPULAR, SIMILAR, TOP_N, make_version, ranked_rows, top_n_rows

N, FILES = 3, 2
FIRST_SEEN = 1_735_689_600
TITLES = {
    f"i{n}": title
    for n, title in enumerate(["Kettle", "Teapot", "Cup", "Spoon", "Tray", "Sieve", "Jar", "Caddy"], 1)
}
# six places each: three and as many spares
LISTS: dict[str, Iterable[str]] = {
    "ann": ["i1", "i2", "i3", "i4", "i5", "i6"],
    "bob": ["i6", "i5", "i4", "i3", "i2", "i8"],
    "cat": ["i1", "i2", "i3", "i4", "i5", "i6"],
}
HISTORIES = {"ann": ["i7", "i8"], "bob": ["i1", "i7"]}
SETTINGS: dict[str, Any] = {"recommend": {"n": N, "spares": 3, "files": FILES, "similar": 2, "popular": 3}}


def write_source(folder: Path, versions: Iterable[dict[str, Any]] = ()) -> None:
    """Write the shop's files: every item available since long ago, and then these versions."""
    (folder / "interactions").mkdir(parents=True, exist_ok=True)
    (folder / "interactions" / "a.csv").write_text("user,item,event,time,arrived,amount\n")
    (folder / "users.csv").write_text("user,updated_at,joined_at,age,gender,country,membership\n")
    first = [
        {"item": name, "title": title, "updated_at": "2025-01-01T00:00:00Z", "available": True}
        for name, title in TITLES.items()
    ]
    lines = [json.dumps(line) for line in [*first, *versions]]
    (folder / "items.jsonl").write_text("\n".join(lines) + "\n")


def rename_available(folder: Path) -> None:
    """Let the shop's files have another key for what can be had than the one that is mapped."""
    items = folder / "items.jsonl"
    items.write_text(items.read_text().replace('"available"', '"in_stock"'))


def write_staged(
    store: Store, folder: Path, night: date = NIGHT, lists: dict[str, Iterable[str]] | None = None
) -> None:
    """Write the night's training tables and staged lists."""
    lists = LISTS if lists is None else lists
    index = {name: number for number, name in enumerate(TITLES, 1)}
    users = {name: number for number, name in enumerate(sorted(lists), 1)}
    put(
        store,
        "training/items",
        night,
        [
            {"item_index": index[name], "item_id": name, "title": title, "first_seen": FIRST_SEEN}
            for name, title in TITLES.items()
        ],
        [
            ("item_index", pa.int32()),
            ("item_id", pa.string()),
            ("title", pa.string()),
            ("first_seen", pa.int64()),
        ],
    )
    put(
        store,
        "training/users",
        night,
        [{"user_index": number, "user_id": name} for name, number in users.items()],
        [("user_index", pa.int32()), ("user_id", pa.string())],
    )
    put(
        store,
        "training/sequences",
        night,
        [
            {"user_index": users[u], "items": [index[i] for i in seen]}
            for u, seen in HISTORIES.items()
            if u in users
        ],
        [("user_index", pa.int32()), ("items", pa.list_(pa.int32()))],
    )
    write_lists(store, folder, night, top_n_rows(lists, FILES, night))


def write_lists(store: Store, folder: Path, night: date, rows: list[dict[str, Any]]) -> None:
    """Write staged/top_n of these rows, and small tables of similar items and popular ones."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"bucket-{number}.parquet" for number in range(FILES)]
    for number, path in enumerate(paths):
        pq.write_table(pa.Table.from_pylist([row for row in rows if row["bucket"] == number], TOP_N), path)
    facts = {
        "n": N,
        "files": FILES,
        "users": len({row["user_id"] for row in rows}),
        "model_version": MODEL,
        "model_name": "transformer",
        "model_cutoff": "2026-01-08T00:00:00+00:00",
        "trials": {},
        "data_cutoff": f"{night + timedelta(days=1)}T00:00:00+00:00",
    }
    tables.write_files(store, layout.night("staged/top_n", night), paths, rows=len(rows), facts=facts)
    near = ranked_rows("item_id", "similar_item_id", {name: ["i1", "i2"] for name in ("i3", "i4")})
    put(store, "staged/similar_items", night, near, list(SIMILAR))
    popular = ranked_rows("list_name", "item_id", {"all": list(TITLES), "country=DE": ["i2", "i1"]})
    put(store, "staged/popular", night, popular, list(POPULAR))


def put(store: Store, table: str, night: date, rows: list[dict[str, Any]], schema: Any) -> None:
    tables.write_table(store, layout.night(table, night), pa.Table.from_pylist(rows, pa.schema(schema)))


def check(settings: Any, night: date = NIGHT) -> Any:
    from pipeline_tasks.stages.check import run

    return run(settings, night)


def go_live(store: Store, folder: Path, night: date, found: dict[str, Any], **how: Any) -> str:
    """Publish a version of these lists and return its name."""
    manifest = make_version(store, folder, found, night=night, **how)
    change = log.Change(manifest.version, str(night), manifest.sha256, "publish", "a test", "a night")
    log.append(store, change, lambda live: None)
    return manifest.version
