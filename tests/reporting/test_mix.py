"""The mix of the lists: places beside events, by category and popularity, and what is new or never touched."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.lake.store import Store
from pipeline_tasks.reporting import mix
from tests.lists import make_version
from tests.reporting.report_night import NIGHT, event, opened, write_tables
from tests.training_tables import write_snapshot

ITEMS = ["i1", "i2", "i3", "i4", "i5"]
# events in 30 days, age in days, category
FACTS: dict[str, tuple[float, float, str | None]] = {
    "i1": (50.0, 400.0, "Home > Kitchen"),
    "i2": (30.0, 400.0, "Home"),
    "i3": (20.0, 3.0, "Toys > Wood"),
    "i4": (0.0, 400.0, None),
    "i5": (0.0, 1.0, "<b>Toys</b> > x"),
}


@pytest.fixture
def found(lake: Store, make_settings: Callable[..., Any], tmp_path: Path) -> mix.Mix:
    lists = {"ann": ["i1", "i3"], "bob": ["i1", "i2"], "cat": ["i1", "i5"]}
    version = make_version(lake, tmp_path / "files", lists).version
    versions = {
        item: {"category": category, "tags": None if category else ["odds"]}
        for item, (*_, category) in FACTS.items()
    }
    write_tables(
        lake, ["ann", "bob", "cat", "no list"], ITEMS, [event("ann", "i2")], versions=versions, gone=["i4"]
    )
    rows = [
        {"item_id": item, "popularity_30d": events, "age_days": age}
        for item, (events, age, _) in FACTS.items()
    ]
    write_snapshot(lake, "item_features", NIGHT, rows)
    with opened(lake, make_settings()) as night:
        return mix.of_lists(night, version)


def test_categories_are_their_first_level_or_a_tag(found: mix.Mix) -> None:
    told = {each.name: (each.items, each.of_places, each.of_events) for each in found.categories}
    assert told["Home"] == (2, pytest.approx(4 / 6, abs=1e-6), 0.8)
    assert told["Toys"] == (1, pytest.approx(1 / 6, abs=1e-6), 0.2)
    assert told["<b>Toys</b>"][0] == 1
    assert told["odds"] == (1, 0.0, 0.0)
    assert found.categories[0].name == "Home"


def test_bands_are_by_cumulated_events(found: mix.Mix) -> None:
    told = {each.name: (each.items, each.shown, each.of_events) for each in found.bands}
    assert told == {"head": (1, 1, 0.5), "middle": (1, 1, 0.3), "tail": (1, 1, 0.2), "none": (2, 1, 0.0)}
    assert [each.name for each in found.bands] == ["head", "middle", "tail", "none"]
    assert sum(each.of_places for each in found.bands) == pytest.approx(1, abs=1e-5)


def test_new_and_quiet_items_and_cold_users_are_counted(found: mix.Mix) -> None:
    assert found.items == {
        "known": 5, "available": 4, "shown": 4, "new": 2, "new_shown": 2, "new_places": 2,
        "quiet": 2, "quiet_shown": 1, "quiet_places": 1, "places": 6,
    }  # fmt: skip
    assert found.users == {"users": 3, "cold": 2}
    assert found.sources == [{"source": "model", "places": 6, "users": 3}]
    assert found.gini is not None
    assert 0 < found.gini < 1


def test_many_categories_are_folded() -> None:
    shares = [mix.Share(f"c{n}", 2, 1, 0.05, 0.1, 0.05) for n in range(mix.CATEGORIES + 3)]
    *kept, rest = mix._folded(shares)
    assert [each.name for each in kept] == [f"c{n}" for n in range(mix.CATEGORIES)]
    assert (rest.name, rest.items, rest.of_events) == ("3 others", 6, pytest.approx(0.3))
