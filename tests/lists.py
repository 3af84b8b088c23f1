"""Builders of lists: staged tables as `recommend` leaves them, and versions as `check` writes them."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import versions
from pipeline_tasks.publishing.versions import Manifest
from pipeline_tasks.reader import bucket_of

NIGHT = date(2026, 1, 10)
MODEL = "2026-01-10-aaaaaaaaaaaa"

TOP_N = pa.schema(
    [
        ("user_id", pa.string()),
        ("rank", pa.int32()),
        ("item_id", pa.string()),
        ("score", pa.float32()),
        ("source", pa.string()),
        ("reason", pa.string()),
        ("bucket", pa.int32()),
        ("model_version", pa.string()),
        ("data_cutoff", pa.timestamp("us", "UTC")),
    ]
)
SIMILAR = pa.schema(
    [
        ("item_id", pa.string()),
        ("rank", pa.int32()),
        ("similar_item_id", pa.string()),
        ("score", pa.float32()),
    ]
)
POPULAR = pa.schema(
    [("list_name", pa.string()), ("rank", pa.int32()), ("item_id", pa.string()), ("score", pa.float32())]
)


def cutoff(night: date = NIGHT) -> datetime:
    return datetime(night.year, night.month, night.day, tzinfo=UTC) + timedelta(days=1)


def top_n_rows(
    lists: dict[str, Iterable[str]], files: int, night: date = NIGHT, **fields: Any
) -> list[dict[str, Any]]:
    """Return the rows of users' lists, sorted by user and rank; `fields` override columns of every row."""
    return [
        {
            "user_id": user,
            "rank": rank,
            "item_id": item,
            "score": 1.0 / rank,
            "source": "model",
            "reason": item,
            "bucket": bucket_of(user, files),
            "model_version": MODEL,
            "data_cutoff": cutoff(night),
            **fields,
        }
        for user in sorted(lists)
        for rank, item in enumerate(lists[user], start=1)
    ]


def ranked_rows(owner: str, item: str, lists: dict[str, Iterable[str]]) -> list[dict[str, Any]]:
    """Return the rows of similar_items or popular: owner's column, item's column, lists by owner."""
    return [
        {owner: name, "rank": rank, item: found, "score": 1.0 / rank}
        for name in sorted(lists)
        for rank, found in enumerate(lists[name], start=1)
    ]


def top_n_files(
    folder: Path, rows: list[dict[str, Any]], files: int, group_rows: int | None = None
) -> list[Path]:
    """Write one Parquet file a bucket, of row groups of `group_rows` rows; return their paths in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"part-{number:05d}.parquet" for number in range(files)]
    for number, path in enumerate(paths):
        kept = [row for row in rows if row["bucket"] == number]
        table = pa.Table.from_pylist(kept, TOP_N)
        pq.write_table(table, path, row_group_size=group_rows, write_page_checksum=True)
    return paths


def ranked_files(folder: Path, similar: dict[str, Iterable[str]], popular: dict[str, Iterable[str]]) -> None:
    """Write similar_items and popular of these lists beside the files of top_n."""
    tables = {
        "similar_items": pa.Table.from_pylist(ranked_rows("item_id", "similar_item_id", similar), SIMILAR),
        "popular": pa.Table.from_pylist(ranked_rows("list_name", "item_id", popular), POPULAR),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")


def files_in(folder: Path) -> dict[str, list[Path]]:
    """Return the files that `top_n_files`, in a folder top_n, and `ranked_files` have written, by table."""
    others = {name: [folder / f"{name}.parquet"] for name in ("similar_items", "popular")}
    return {"top_n": sorted((folder / "top_n").glob("*")), **others}


def define_views(engine: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Define the views of these files that queries read."""
    for table, paths in files_in(folder).items():
        engine.read_parquet([str(path) for path in paths], filename=True).create_view(table)


def make_version(
    store: Store,
    folder: Path,
    lists: dict[str, Iterable[str]],
    *,
    night: date = NIGHT,
    files: int = 2,
    group_rows: int | None = None,
    model: str = "popular",
) -> Manifest:
    """Upload a version of `lists` with small tables beside them; return its manifest."""
    top_n_files(folder / "top_n", top_n_rows(lists, files, night), files, group_rows)
    ranked_files(folder, {"i1": ["i2"]}, {"all": ["i1", "i2"]})
    paths = files_in(folder)
    facts = {"n": 2, "users": len(lists), "model": {"name": model, "version": MODEL, "cutoff": None}}
    manifest = versions.describe(night, paths, facts)
    versions.upload(store, manifest, paths)
    return manifest
