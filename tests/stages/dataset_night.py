"""A small night for the dataset stage: clean tables and snapshots in a lake, and what the stage made of them."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.settings import Settings, night_end
from tests.training_tables import write_clean

NIGHT = date(2026, 1, 10)
BEFORE = NIGHT - timedelta(days=1)
USERS, ITEMS = ["u1", "u2", "u3"], ["i1", "i2", "i3", "i4"]


def shop(make_settings: Callable[..., Settings], tmp_path: Path, **overrides: Any) -> Settings:
    """Return settings whose source is a shop, so that its event types and segments hold."""
    data = tmp_path / "data"
    (data / "interactions").mkdir(parents=True, exist_ok=True)
    for name in ("interactions/day.csv", "items.jsonl", "users.csv"):
        (data / name).touch()
    return make_settings(**{"dataset": {"holdout_min_users": 2}, **overrides})


def at(day: date, hour: int = 12) -> datetime:
    return night_end(day) - timedelta(hours=24 - hour)


def event(user: str, item: str, time: datetime, kind: str = "view") -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "event_time": time, "event_type": kind}


EVENTS = [
    event("u2", "i1", at(BEFORE, 9)),
    event("u1", "i2", at(BEFORE, 10), "cart"),
    event("u1", "i2", at(BEFORE, 10)),
    event("u1", "i1", at(NIGHT, 3), "purchase"),
    event("u2", "i3", at(NIGHT, 4)),
]


def write_night(lake: Store, **options: Any) -> None:
    users = [
        {"user_id": user, "country": country} for user, country in zip(USERS, ["DE", None, "CN"], strict=True)
    ]
    items = [{"item_id": item} for item in ITEMS]
    write_clean(lake, NIGHT, **{"events": EVENTS, "users": users, "items": items, **options})


def rows(lake: Store, table: str, night: date = NIGHT) -> list[dict[str, Any]]:
    return tables.read_table(lake, layout.night(f"training/{table}", night), "dataset").to_pylist()


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())
