"""A night whose items have what rules go by, and its lists as recommend stages them and as check leaves them."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import verdicts, versions
from pipeline_tasks.settings import night_end
from tests.training_night import NIGHT, put, write_training_tables

N, SPARES, ITEMS = 6, 4, 40
CATEGORIES, BRANDS = 5, 8
NEW = range(33, 41)
QUICK: dict[str, Any] = {
    "train": {"model": "item_knn", "device": "cpu"},
    "ranking": {"enabled": False},
    "dataset": {"holdout_min_users": 10},
}
LISTS = {"n": N, "spares": SPARES, "files": 2, "popular": 8, "similar": 5, "block_users": 16}


def write_world(lake: Store, run_date: date) -> None:
    """Write training tables whose items have a category, a brand and a first day; the last items are new."""
    write_training_tables(lake, run_date, items=ITEMS, cold_items=8)
    rows = tables.read_table(lake, layout.night("training/items", run_date), "dataset")
    end = int(night_end(run_date).timestamp())
    first = [end - (3 if number in NEW else 300) * 86_400 for number in range(1, ITEMS + 1)]
    rows = rows.set_column(
        rows.schema.get_field_index("first_seen"), "first_seen", pa.array(first, pa.int64())
    )
    rows = rows.append_column("category", pa.array([category(n) for n in range(1, ITEMS + 1)], pa.string()))
    rows = rows.append_column("brand", pa.array([brand(n) for n in range(1, ITEMS + 1)], pa.string()))
    put(lake, "training/items", run_date, rows, {})


def category(number: int) -> str | None:
    return None if number % 10 == 0 else f"Root > C{number % CATEGORIES} > leaf {number % 2}"


def kind(number: int) -> str | None:
    """Return the first two levels of a category."""
    found = category(number)
    return found and found.rsplit(" > ", 1)[0]


def brand(number: int) -> str:
    return f"b{number % BRANDS}"


def index(item: str) -> int:
    return int(item[1:])


def staged(lake: Store, table: str = "top_n") -> pd.DataFrame:
    return tables.read_table(lake, layout.night(f"staged/{table}", NIGHT), "recommend").to_pandas()


def lists_of(rows: pd.DataFrame, owner: str = "user_id", item: str = "item_id") -> dict[str, list[str]]:
    for _, own in rows.groupby(owner):
        assert own["rank"].tolist() == list(range(1, len(own) + 1))
        assert own[item].is_unique
        assert own["score"].is_monotonic_decreasing
    return {name: own[item].tolist() for name, own in rows.groupby(owner)}


def seen(lake: Store) -> dict[str, list[str]]:
    rows = tables.read_table(lake, layout.night("training/sequences", NIGHT), "dataset").to_pylist()
    return {f"u{row['user_index']:03d}": [f"i{item:02d}" for item in row["items"]] for row in rows}


def most(items: list[str], of: Callable[[int], str | None]) -> int:
    """Return how often the most frequent value of the items occurs."""
    values = pd.Series([of(index(item)) for item in items], dtype=object).dropna()
    return int(values.value_counts().max()) if len(values) else 0


ALL_RULES: dict[str, Any] = {
    "candidates": 15,
    "blocked_items": ["i02"],
    "blocked_users": ["u007"],
    "caps": {"top_n": {"category": 3, "brand": 2}, "popular": {"brand": 2}, "similar_items": {"brand": 1}},
    "new_items": {"days": 7, "share": 0.3},
    "diversity": 0.3,
    "pins": [
        {"item": "i20", "rank": 2},
        {"item": "i21", "rank": 1, "list": "country=DE", "tables": ["top_n", "popular"]},
        {"item": "i22", "rank": 3, "list": "i01", "tables": ["similar_items"]},
    ],
    "boosts": [{"brand": "b3", "places": 5, "tables": ["top_n", "popular", "similar_items"]}],
}


def write_shop(folder: Path, *gone: str) -> None:
    """Write the shop's files, as check reads them anew: everything can be had but these items."""
    (folder / "interactions").mkdir(parents=True, exist_ok=True)
    (folder / "interactions" / "a.csv").write_text("user,item,event,time,arrived,amount\n")
    (folder / "users.csv").write_text("user,updated_at,joined_at,age,gender,country,membership\n")
    names = [f"i{n:02d}" for n in range(1, ITEMS + 1)]
    since = datetime(2025, 1, 1, tzinfo=UTC).isoformat()
    lines = [{"item": name, "updated_at": since, "available": name not in gone} for name in names]
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")


def final(lake: Store, table: str, folder: Path) -> pd.DataFrame:
    verdict = verdicts.read(lake, NIGHT)
    assert verdict is not None
    manifest = versions.read_manifest(lake, verdict.version)
    files = versions.local_files(lake, verdict.version, manifest, table, folder)
    return pd.concat([pd.read_parquet(file) for file in files])
