"""The materialize stage: what is read online is what the lake's snapshot says, and never an older night's."""

import sqlite3
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.contracts import FEATURE_VIEWS
from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.featurestore import opening
from pipeline_tasks.featurestore.definitions import entity_key, feature_names
from pipeline_tasks.featurestore.opening import open_feature_store
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.settings import Settings
from pipeline_tasks.stages import materialize
from tests.training_tables import days_up_to, write_snapshot, write_snapshots

NIGHT = date(2026, 1, 10)
LATER = NIGHT + timedelta(days=1)
USERS = ["u1", "u2", "用户/3'"]


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


def online(settings: Settings, view: str, key: Any) -> dict[str, Any]:
    """Return what the online store says of one entity, as an engineer would read it."""
    contract = FEATURE_VIEWS[view]
    names = feature_names(contract)
    with open_feature_store(settings) as store:
        found = store.get_online_features(
            features=[f"{view}:{name}" for name in names], entity_rows=[{entity_key(contract): key}]
        ).to_dict()
    return {name: found[name][0] for name in names}


def snapshot(lake: Store, view: str, night: date, key: Any) -> dict[str, Any]:
    """Return what the lake's table says of one entity."""
    contract = FEATURE_VIEWS[view]
    rows = tables.read_table(lake, layout.night(f"features/{view}", night), "features").to_pylist()
    (row,) = (row for row in rows if row[entity_key(contract)] == key)
    return {name: row[name] for name in feature_names(contract)}


def write_night(lake: Store, night: date, events: float) -> None:
    write_snapshots(lake, [night], USERS, ["i1"])
    write_snapshot(lake, "user_features", night, [{"user_id": user, "events_1d": events} for user in USERS])


def test_an_engineer_reads_online_what_the_offline_table_says(lake: Store, settings: Settings) -> None:
    write_snapshots(lake, days_up_to(NIGHT, 3), USERS, ["i1", "i2"])
    odd = {
        "affinity": [0.1, -0.7, 0.0, 3e-8],
        "age": None,
        "membership": None,
        "days_since_last_event": 0.1 + 0.2,
    }
    rows = [{"user_id": user, "events_1d": float(place), **odd} for place, user in enumerate(USERS)]
    write_snapshot(lake, "user_features", NIGHT, rows)
    report = materialize.run(settings, NIGHT)
    assert report.rows == {"user_features": 3, "item_features": 2, "context_features": 168}
    for view, keys in {
        "user_features": USERS,
        "item_features": ["i1", "i2"],
        "context_features": [0, 167],
    }.items():
        for key in keys:
            assert online(settings, view, key) == snapshot(lake, view, NIGHT, key)


def test_someone_unknown_has_no_features_online(lake: Store, settings: Settings) -> None:
    write_night(lake, NIGHT, 1.0)
    materialize.run(settings, NIGHT)
    assert set(online(settings, "user_features", "nobody").values()) == {None}


def test_a_later_night_replaces_what_is_online_and_an_earlier_one_never_does(
    lake: Store, settings: Settings
) -> None:
    write_night(lake, NIGHT, 1.0)
    write_night(lake, LATER, 2.0)
    assert materialize.run(settings, NIGHT).facts["materialized"]
    assert online(settings, "user_features", "u1")["events_1d"] == 1.0
    assert materialize.run(settings, LATER).facts["materialized"]
    assert online(settings, "user_features", "u1")["events_1d"] == 2.0
    again = materialize.run(settings, NIGHT)
    assert not again.facts["materialized"]
    assert str(LATER) in again.summary
    assert online(settings, "user_features", "u1")["events_1d"] == 2.0


def test_the_same_night_again_puts_its_new_values_online(lake: Store, settings: Settings) -> None:
    write_night(lake, NIGHT, 1.0)
    materialize.run(settings, NIGHT)
    write_night(lake, NIGHT, 5.0)
    assert materialize.run(settings, NIGHT).facts["materialized"]
    assert online(settings, "user_features", "u1")["events_1d"] == 5.0


def test_a_run_that_was_killed_half_way_is_made_good_by_the_next(
    lake: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feast.infra.registry.registry import Registry

    write_night(lake, NIGHT, 1.0)
    monkeypatch.setattr(Registry, "apply_materialization", _killed)
    with pytest.raises(KeyboardInterrupt):
        materialize.run(settings, NIGHT)
    monkeypatch.undo()
    assert materialize.run(settings, NIGHT).facts["materialized"]
    assert online(settings, "item_features", "i1") == snapshot(lake, "item_features", NIGHT, "i1")


def _killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_it_works_on_s3_through_the_state_folder(
    s3_lake: Store, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(lake=s3_lake.uri)
    write_night(s3_lake, NIGHT, 3.0)
    materialize.run(settings, NIGHT)
    assert online(settings, "user_features", "u2") == snapshot(s3_lake, "user_features", NIGHT, "u2")


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_the_machines_time_zone_does_not_move_the_night(
    lake: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    import time

    write_night(lake, NIGHT - timedelta(days=1), 1.0)
    write_night(lake, NIGHT, 2.0)
    write_night(lake, LATER, 3.0)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        materialize.run(settings, NIGHT)
        assert online(settings, "user_features", "u1")["events_1d"] == 2.0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_night_without_features_is_refused(lake: Store, settings: Settings) -> None:
    write_night(lake, NIGHT, 1.0)
    with pytest.raises(Refused, match="run features for this night first"):
        materialize.run(settings, LATER)


def test_a_missing_feast_configuration_is_refused(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(features={"feast": "nowhere.yaml"})
    with pytest.raises(Refused, match=r"features\.feast: there is no file .*nowhere\.yaml"):
        materialize.run(settings, NIGHT)


def test_an_unset_variable_in_feasts_configuration_is_refused(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "feature_store.yaml"
    config.write_text("project: nightjar\nregistry: ${REGISTRY_OF_NOBODY}/registry.db\n")
    monkeypatch.delenv("REGISTRY_OF_NOBODY", raising=False)
    with pytest.raises(Refused, match="REGISTRY_OF_NOBODY"):
        materialize.run(make_settings(features={"feast": str(config)}), NIGHT)


def test_two_runs_do_not_write_the_registry_at_once(
    lake: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_night(lake, NIGHT, 1.0)
    monkeypatch.setattr(opening, "WAIT_SECONDS", 0.1)
    with open_feature_store(settings), pytest.raises(NightjarError, match=r"is used by process \d+"):
        materialize.run(settings, NIGHT)


def test_the_online_store_holds_one_night_only(lake: Store, settings: Settings) -> None:
    write_night(lake, NIGHT, 1.0)
    write_night(lake, LATER, 2.0)
    materialize.run(settings, NIGHT)
    materialize.run(settings, LATER)
    with sqlite3.connect(settings.state_dir / "online.db") as database:
        stamps = database.execute("SELECT count(DISTINCT event_ts) FROM nightjar_user_features").fetchone()
    assert stamps == (1,)
