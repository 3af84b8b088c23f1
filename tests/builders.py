"""Test builders: rows with defaults, of which a test names only what it is about."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 1, 1, tzinfo=UTC)


def moment(text: str) -> datetime:
    """Return a UTC moment from ISO text without a zone ("2026-01-31 12:00")."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def interaction(**fields: Any) -> dict[str, Any]:
    """Return one row of the interactions contract; arrival follows event_time unless it is named."""
    row = {
        "user_id": "u1",
        "item_id": "i1",
        "event_type": "view",
        "event_time": START + timedelta(hours=12),
        "arrival": None,
        "value": None,
        **fields,
    }
    return {**row, "arrival": row["arrival"] or row["event_time"]}


def interactions(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of the interactions contract, one for each dictionary of overridden fields."""
    return [interaction(**fields) for fields in rows]


def item(**fields: Any) -> dict[str, Any]:
    """Return one row of the items contract."""
    return {
        "item_id": "i1",
        "updated_at": None,
        "title": "Copper kettle",
        "title_zh": "铜水壶",
        "description": "A kettle of copper",
        "description_zh": "铜制水壶",
        "category": "Home > Kitchen > Kettles",
        "tags": ["copper"],
        "brand": "Corvid",
        "price": 20.0,
        "appeared_at": None,
        "available": True,
        "image": None,
        "embedding": None,
        **fields,
    }


def user(**fields: Any) -> dict[str, Any]:
    """Return one row of the users contract."""
    return {
        "user_id": "u1",
        "updated_at": None,
        "joined_at": None,
        "age": 30,
        "gender": "f",
        "country": "DE",
        "membership": "basic",
        **fields,
    }
