"""Small sources for tests: rows in; files under a data folder, and settings that declare them, out."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

INTERACTIONS = {
    "uri": "interactions/*.csv",
    "format": "csv",
    "columns": {
        "user_id": "user",
        "item_id": "item",
        "event_type": "event",
        "event_time": "time",
        "arrival": "arrived",
        "value": "amount",
    },
}
ITEMS = {
    "uri": "items.jsonl",
    "format": "jsonl",
    "columns": {
        "item_id": "item",
        "updated_at": "updated_at",
        "title": "title",
        "price": "price",
        "tags": "tags",
    },
}
USERS = {"uri": "users.csv", "format": "csv", "columns": {"user_id": "user", "age": "age"}}
EVENTS = {"view": 1.0, "purchase": 5.0}


def declare(**tables: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return settings that read a source "tiny": interactions as INTERACTIONS, no items, no users.

    A keyword changes keys of a table's declaration.
    """
    defaults: dict[str, Any] = {"interactions": INTERACTIONS, "items": ITEMS, "users": USERS}
    declared = {
        name: {**defaults[name], **(tables.get(name) or {})}
        for name in defaults
        if name == "interactions" or tables.get(name) is not None
    }
    return {"source": "tiny", "sources": {"tiny": {"events": EVENTS, "default_event": "view", **declared}}}


def write_csv(path: Path, *lines: str) -> Path:
    """Write lines to a file whose folder is made; returns the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_interactions(data: Path, *rows: str, name: str = "all") -> Path:
    """Write rows as "user,item,event,time,arrived,amount"; what is left out at the end is empty."""
    filled = [row + "," * (5 - row.count(",")) for row in rows]
    return write_csv(data / "interactions" / f"{name}.csv", "user,item,event,time,arrived,amount", *filled)


def write_items(data: Path, rows: Iterable[Mapping[str, Any] | str]) -> Path:
    """Write a JSON object a line; a string is written as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    return write_csv(data / "items.jsonl", *lines)
