"""Versions that go live one night after the other, and somebody who goes back."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import changes
from tests.lists import NIGHT
from tests.stages import staged_night

LISTS = {"ann": ["i1", "i2"]}


def go_live(store: Store, folder: Path, days: int) -> str:
    lists = {**LISTS, f"u{days}": ["i1"]}
    return staged_night.go_live(store, folder / str(days), NIGHT + timedelta(days=days), lists)


def back(store: Store, to: str | None = None) -> str:
    return changes.roll_back(store, to, "ann", "bad lists").version


def released(store: Store, night: date, verdict: Any) -> Any:
    return changes.release(store, night, verdict, "ann", "looked at it")
