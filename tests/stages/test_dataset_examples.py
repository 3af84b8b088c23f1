"""Ranking examples: events and items against them, and what was known of both at their time."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.featurestore import joining
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store
from pipeline_tasks.settings import Settings, night_end
from pipeline_tasks.stages import dataset
from tests.stages.dataset_night import (
    BEFORE,
    EVENTS,
    ITEMS,
    NIGHT,
    USERS,
    at,
    event,
    rows,
    seconds,
    shop,
    write_night,
)
from tests.training_tables import days_up_to, feature_row, write_clean, write_snapshot, write_snapshots


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    return shop(make_settings, tmp_path, dataset={"holdout_max_days": 1})


def examples_of(lake: Store, settings: Settings, **options: Any) -> tuple[list[dict[str, Any]], Report]:
    """Write a night whose snapshots count the days since the first of them; return its examples."""
    write_night(lake, **options)
    for place, day in enumerate(days_up_to(NIGHT, 4)):
        write_snapshots(lake, [day], [], [])
        write_snapshot(
            lake, "user_features", day, [{"user_id": user, "events_1d": float(place)} for user in USERS]
        )
        items = [{"item_id": item, "price": None, "popularity_1d": 10.0 + place} for item in ITEMS]
        write_snapshot(lake, "item_features", day, items)
    report = dataset.run(settings, NIGHT)
    return rows(lake, "examples"), report


def test_examples_are_events_and_items_that_the_user_never_had(lake: Store, settings: Settings) -> None:
    examples, report = examples_of(lake, settings)
    positives = [row for row in examples if row["label"] == 1]
    assert [(row["user_index"], row["item_index"], row["time"]) for row in positives] == [
        (2, 1, seconds(at(BEFORE, 9))),
        (1, 2, seconds(at(BEFORE, 10))),
        (1, 2, seconds(at(BEFORE, 10))),
    ]
    has = {1: {2}, 2: {1}}
    negatives = [row for row in examples if row["label"] == 0]
    assert negatives
    for row in negatives:
        group = positives[row["example_group"]]
        assert row["item_index"] not in has[row["user_index"]]
        assert all(row[name] == group[name] for name in ("user_index", "time", "hour_of_week"))
    assert report.rows["examples"] == len(examples)
    assert report.facts["examples"]["positives"] == 3


def test_nothing_of_the_holdout_is_in_the_examples(lake: Store, settings: Settings) -> None:
    past = [*EVENTS[:3], *(event("u3", item, at(BEFORE, 1)) for item in ITEMS)]
    holdout = [event(user, item, at(NIGHT, 3)) for user in USERS[:2] for item in ITEMS]
    with_it, _ = examples_of(lake, settings, events=[*past, *holdout])
    without, _ = examples_of(lake, settings, events=past)
    assert with_it == without


def test_examples_know_the_newest_snapshot_that_is_not_later_than_they_are(
    lake: Store, settings: Settings
) -> None:
    midnight = night_end(BEFORE - timedelta(days=1))
    before, after = midnight - timedelta(microseconds=1), midnight + timedelta(microseconds=1)
    events = [event("u1", "i1", before), event("u1", "i2", midnight), event("u1", "i3", after)]
    examples, _ = examples_of(lake, settings, events=events)
    known = {
        row["item_index"]: (row["user_features__events_1d"], row["item_features__popularity_1d"])
        for row in examples
        if row["label"] == 1
    }
    assert known == {1: (0.0, 10.0), 2: (1.0, 11.0), 3: (1.0, 11.0)}


def test_as_many_examples_come_out_as_went_in_with_or_without_features(
    lake: Store, settings: Settings
) -> None:
    same = [event(user, "i1", at(BEFORE, 5), kind) for user in USERS for kind in ("view", "cart")]
    write_night(lake, events=same)
    write_snapshots(lake, days_up_to(NIGHT, 3), ["u1"], ["i2"])
    report = dataset.run(settings, NIGHT)
    examples = rows(lake, "examples")
    positives = [row for row in examples if row["label"] == 1]
    assert len(positives) == len(same)
    assert {row["user_index"]: row["user_features__events_total"] for row in positives} == {
        1: 1.0,
        2: None,
        3: None,
    }
    assert {row["item_features__topics"] and tuple(row["item_features__topics"]) for row in positives} == {
        None
    }
    assert {row["context_features__hour"] for row in positives} == {1.0}
    assert report.rows["examples"] == len(examples)


def test_the_share_of_warm_examples_with_features_is_told(lake: Store, settings: Settings) -> None:
    first, second, _ = days_up_to(NIGHT, 3)
    warm = [event(user, item, at(first)) for user in USERS[:2] for item in ("i1", "i2")]
    newest = [event("u1", "i2", at(second)), event("u2", "i1", at(second)), event("u3", "i1", at(second))]
    write_night(lake, events=[*warm, *newest])
    write_snapshots(lake, days_up_to(NIGHT, 3), ["u1", "u3"], ["i1", "i2"])
    facts = dataset.run(settings, NIGHT).facts["examples"]
    assert (facts["positives"], facts["warm_positives"], facts["warm_with_features"]) == (3, 2, 1)
    assert facts["share_with_features"] == 0.5


def test_features_of_nights_that_come_later_change_nothing(lake: Store, settings: Settings) -> None:
    write_night(lake)
    write_snapshots(lake, days_up_to(NIGHT, 3), USERS, ITEMS)
    before = dataset.run(settings, NIGHT)
    later = NIGHT + timedelta(days=1)
    write_snapshot(
        lake, "user_features", later, [feature_row("user_features", later, user_id="u1", events_1d=99.0)]
    )
    write_clean(lake, later, [event("u3", "i4", at(later))], vocabulary=(USERS, ITEMS), after=NIGHT)
    after = dataset.run(settings, NIGHT)
    assert len(before.outputs) == 5
    assert after.outputs == before.outputs


def test_of_too_many_events_each_day_gives_its_share_the_same_again(
    make_settings: Callable[..., Settings], lake: Store, tmp_path: Path
) -> None:
    first, second, tonight = days_up_to(NIGHT, 3)
    counts = {first: 60, second: 180, tonight: 240}
    events = [
        event(USERS[n % 3], ITEMS[n % 4], at(day) + timedelta(seconds=n))
        for day, count in counts.items()
        for n in range(count)
    ]
    settings = shop(make_settings, tmp_path, dataset={"max_examples": 80, "holdout_max_days": 1})
    found, _ = examples_of(lake, settings, events=events)
    times = [row["time"] for row in found if row["label"]]
    assert len(times) == 80
    assert times == sorted(times)
    assert 10 <= sum(time < seconds(night_end(first)) for time in times) <= 30
    assert max(times) < seconds(night_end(second))
    assert examples_of(lake, settings, events=events)[0] == found


def test_a_join_that_loses_or_doubles_rows_stops_the_night(
    lake: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_night(lake)
    write_snapshots(lake, days_up_to(NIGHT, 3), USERS, ITEMS)
    monkeypatch.setattr(joining, "ROWS_AT_A_TIME", 3)
    dataset.run(settings, NIGHT)
    kept = rows(lake, "examples")

    def losing(store: Any, **asked: Any) -> Any:
        return whole(store, **{**asked, "entity_df": asked["entity_df"].iloc[1:]})

    whole = joining.FeatureStore.get_historical_features
    monkeypatch.setattr(joining.FeatureStore, "get_historical_features", losing)
    with pytest.raises(NightjarError, match="gave 2 rows for 3 examples"):
        dataset.run(settings, NIGHT)
    assert rows(lake, "examples") == kept
