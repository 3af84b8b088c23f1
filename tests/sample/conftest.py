"""A sample shop of the default size, written once, and its files as plain Python rows."""

import csv
import json
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.sample import write_sample

LAST_DAY = date(2026, 6, 30)
EVENTS = ("view", "favourite", "cart", "purchase")


def moment(text: str) -> datetime | None:
    """Read a time in ISO 8601 with its zone, or return None."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@dataclass(frozen=True)
class Shop:
    """The files of a sample, read without the code that wrote them."""

    folder: Path
    counts: dict[str, int]

    @cached_property
    def facts(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "sample.json").read_text()))

    @cached_property
    def interactions(self) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = []
        for path in sorted((self.folder / "interactions").iterdir()):
            with path.open(newline="", encoding="utf-8") as file:
                rows.extend(csv.DictReader(file))
        return rows

    @cached_property
    def items(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "items.jsonl").read_text().splitlines()]

    @cached_property
    def users(self) -> list[dict[str, str]]:
        with (self.folder / "users.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    @cached_property
    def views(self) -> list[tuple[str, str, datetime]]:
        """The clean views (user, item, time) of everybody but bots, in order of user and time."""
        known = {row["item"] for row in self.items if row["item"] and len(row["item"]) <= 512}
        rows = set()
        for row in self.interactions:
            time = moment(row["time"])
            if row["event"] != "view" or row["item"] not in known or time is None or time.date() > LAST_DAY:
                continue
            if 0 < len(row["user"]) <= 512 and row["user"] not in self.facts["bots"]:
                rows.add((row["user"], row["item"], time))
        return sorted(rows, key=lambda view: (view[0], view[2], view[1]))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("sample") / "shop"
    counts = write_sample(folder, users=1000, items=500, days=60, seed=7, images=True, end=LAST_DAY)
    return Shop(folder, counts)
