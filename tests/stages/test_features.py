"""The features stage: nothing after a stamp leaks into it, and each day's snapshot is made once."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.contracts import FEATURE_VIEWS
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.settings import Settings, night_end
from pipeline_tasks.stages import features
from tests.builders import START
from tests.stages.raw_lake import rows_of, shop
from tests.training_tables import write_clean

FIRST, SECOND = date(2026, 1, 5), date(2026, 1, 6)
DAYS = [date(2026, 1, day) for day in (3, 4, 5)]
SECOND_LATER = timedelta(seconds=1)
EVENTS = [
    {"user_id": f"u{n % 3}", "item_id": f"i{n % 4}", "event_time": START + timedelta(hours=7 * n)}
    for n in range(16)
]
ITEMS = [
    {
        "item_id": f"i{n}",
        "price": 10.0 + n,
        "tokens": ["kettle", str(n)],
        "category": f"shelf {n}",
        "tags": [],
    }
    for n in range(4)
]
USERS = [{"user_id": f"u{n}"} for n in range(3)]

pytestmark = pytest.mark.usefixtures("spark")
Snapshots = dict[date, dict[str, list[dict[str, Any]]]]


def settings_of(make_settings: Any, tmp_path: Path, name: str = "lake") -> Settings:
    made = shop(make_settings, tmp_path)
    smaller = made.features.model_copy(update={"snapshots": len(DAYS), "text_dim": 2, "affinity_dim": 4})
    return made.model_copy(update={"features": smaller, "lake": (tmp_path / name).as_uri()})


def store_of(settings: Settings) -> LocalStore:
    return LocalStore(Path(settings.lake_uri.removeprefix("file://")))


def run_night(
    settings: Settings, night: date, events: Any, items: Any = ITEMS, users: Any = USERS, after: Any = None
) -> Any:
    write_clean(store_of(settings), night, events, items=items, users=users, after=after)
    return features.run(settings, night)


def snapshots(settings: Settings, days: list[date]) -> Snapshots:
    store = store_of(settings)
    return {day: {view: rows_of(store, f"features/{view}", day) for view in FEATURE_VIEWS} for day in days}


def planted(make_settings: Any, tmp_path: Path, name: str, **more: list[dict[str, Any]]) -> Snapshots:
    """Return the snapshots of a lake of its own in which more is there than usual."""
    settings = settings_of(make_settings, tmp_path, name)
    usual = {"events": EVENTS, "items": ITEMS, "users": USERS}
    run_night(settings, FIRST, **{key: [*rows, *more.get(key, [])] for key, rows in usual.items()})
    return snapshots(settings, DAYS)


def test_events_of_a_type_that_is_declared_no_more_count_nowhere(make_settings: Any, tmp_path: Path) -> None:
    usual = planted(make_settings, tmp_path, "usual")
    removed = [{**event, "event_type": "wish", "event_time": START + timedelta(hours=1)} for event in EVENTS]
    assert planted(make_settings, tmp_path, "removed", events=removed) == usual


def test_what_happens_from_a_stamp_on_moves_no_feature_of_it(make_settings: Any, tmp_path: Path) -> None:
    stamp = night_end(DAYS[0])
    usual = planted(make_settings, tmp_path, "usual")
    event = {"user_id": "u0", "item_id": "i1", "event_type": "purchase", "event_time": stamp}
    version = {**ITEMS[1], "price": 900.0, "updated_at": stamp}
    person = {"user_id": "u0", "age": 77, "updated_at": stamp}
    found = planted(make_settings, tmp_path, "at", events=[event], items=[version], users=[person])
    assert found[DAYS[0]] == usual[DAYS[0]]
    for view in FEATURE_VIEWS:
        assert found[DAYS[1]][view] != usual[DAYS[1]][view], view
    early = {"user_id": "u0", "item_id": "i1", "event_type": "purchase", "event_time": stamp - SECOND_LATER}
    found = planted(make_settings, tmp_path, "before", events=[early])
    for view in FEATURE_VIEWS:
        assert found[DAYS[0]][view] != usual[DAYS[0]][view], view


def test_a_night_makes_the_days_that_are_missing_and_a_later_one_its_own(
    make_settings: Any, tmp_path: Path
) -> None:
    settings = settings_of(make_settings, tmp_path)
    assert run_night(settings, FIRST, EVENTS).facts["days"] == [str(day) for day in DAYS]
    before = snapshots(settings, DAYS)
    event = {"user_id": "u9", "item_id": "i1", "event_time": datetime(2026, 1, 6, 9, tzinfo=UTC)}
    assert run_night(settings, SECOND, [event], users=[*USERS, {"user_id": "u9"}], after=FIRST).facts[
        "days"
    ] == [str(SECOND)]
    assert snapshots(settings, DAYS) == before
    store = store_of(settings)
    stamps = {row["event_timestamp"] for row in rows_of(store, "features/user_features", SECOND)}
    assert stamps == {night_end(SECOND)}


def test_the_same_night_again_gives_the_same_bytes_also_after_a_later_one(
    make_settings: Any, tmp_path: Path
) -> None:
    settings = settings_of(make_settings, tmp_path)
    store = store_of(settings)
    run_night(settings, FIRST, EVENTS)
    keys = [
        key
        for day in DAYS
        for view in FEATURE_VIEWS
        for key in store.keys(layout.night(f"features/{view}", day))
    ]
    before = {key: store.read(key) for key in keys}
    event = {"event_time": datetime(2026, 1, 6, 9, tzinfo=UTC)}
    run_night(settings, SECOND, [event], after=FIRST)
    features.run(settings, FIRST)
    assert {key: store.read(key) for key in keys} == before


def test_a_night_that_was_not_cleaned_is_refused(make_settings: Any, tmp_path: Path) -> None:
    settings = settings_of(make_settings, tmp_path)
    with pytest.raises(Refused, match="preprocess"):
        features.run(settings, FIRST)
    assert tables.committed(store_of(settings), "features/user_features") == []
