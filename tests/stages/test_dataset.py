"""The dataset stage: exact training tables, and examples that know what was known at their time."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.featurestore import joining
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store
from pipeline_tasks.settings import Settings, night_end
from pipeline_tasks.stages import dataset
from tests.builders import moment
from tests.training_tables import days_up_to, feature_row, write_clean, write_snapshot, write_snapshots

NIGHT = date(2026, 1, 10)
BEFORE = NIGHT - timedelta(days=1)
USERS, ITEMS = ["u1", "u2", "u3"], ["i1", "i2", "i3", "i4"]


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    return shop(make_settings, tmp_path)


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


def test_sequences_hold_each_users_events_in_order_over_all_nights(lake: Store, settings: Settings) -> None:
    write_clean(lake, BEFORE, EVENTS[:3], vocabulary=(USERS, ITEMS))
    write_night(lake, events=EVENTS[3:], vocabulary=(USERS, ITEMS), after=BEFORE)
    write_snapshots(lake, [BEFORE, NIGHT], USERS, ITEMS)
    dataset.run(settings, NIGHT)
    assert rows(lake, "sequences") == [
        {
            "user_index": 1,
            "items": [2, 2, 1],
            "types": [1, 3, 4],
            "times": [seconds(at(BEFORE, 10)), seconds(at(BEFORE, 10)), seconds(at(NIGHT, 3))],
        },
        {
            "user_index": 2,
            "items": [1, 3],
            "types": [1, 1],
            "times": [seconds(at(BEFORE, 9)), seconds(at(NIGHT, 4))],
        },
    ]
    schema = tables.read_table(lake, layout.night("training/sequences", NIGHT), "dataset").schema
    assert [str(field.type) for field in schema] == [
        "int32", "list<element: int32>", "list<element: int8>", "list<element: int64>"
    ]  # fmt: skip


def test_items_are_the_vocabulary_as_their_newest_versions_say(lake: Store, settings: Settings) -> None:
    old, new = moment("2026-01-01"), moment("2026-01-09")
    versions = [
        {"item_id": "i1", "updated_at": old, "title": "old", "available": True, "appeared_at": old},
        {"item_id": "i1", "updated_at": new, "title": "new", "available": False, "appeared_at": old},
        {"item_id": "i2", "title": None, "available": None, "appeared_at": at(NIGHT, 20)},
        {"item_id": "i4"},
    ]
    write_night(lake, items=versions)
    write_snapshots(lake, [NIGHT], USERS, [])
    one = {"topics": [1.0, 0.0], "image_embedding": [0.0], "embedding": None, "price": None}
    features = [
        {"item_id": "i2", "text_embedding": [0.0, 3.0], **one},
        {"item_id": "i1", "text_embedding": [2.0, 0.0], **one},
    ]
    write_snapshot(lake, "item_features", NIGHT, features)
    dataset.run(settings, NIGHT)
    items = rows(lake, "items")
    half = 0.5**0.5
    assert [[round(x, 6) for x in item.pop("content")] for item in items] == [
        [round(x, 6) for x in content]
        for content in ([half, 0, half, 0], [0, half, half, 0], [0, 0, 0, 0], [0, 0, 0, 0])
    ]
    assert items == [
        {"item_index": 1, "item_id": "i1", "available": False, "first_seen": seconds(old), "title": "new"},
        {"item_index": 2, "item_id": "i2", "available": True, "first_seen": seconds(at(BEFORE, 10)), "title": None},
        {"item_index": 3, "item_id": "i3", "available": True, "first_seen": seconds(at(NIGHT, 4)), "title": None},
        {"item_index": 4, "item_id": "i4", "available": True, "first_seen": None, "title": "Copper kettle"},
    ]  # fmt: skip


def test_users_are_the_vocabulary_with_the_segments_of_their_newest_versions(
    lake: Store, settings: Settings
) -> None:
    versions = [
        {"user_id": "u1", "country": "DE"},
        {"user_id": "u1", "updated_at": moment("2026-01-05"), "country": "C'N"},
        {"user_id": "u2", "country": None},
    ]
    write_night(lake, users=versions, vocabulary=(USERS, ITEMS))
    write_snapshots(lake, [NIGHT], USERS, ITEMS)
    dataset.run(settings, NIGHT)
    assert rows(lake, "users") == [
        {"user_index": 1, "user_id": "u1", "segments": ["country=C'N"]},
        {"user_index": 2, "user_id": "u2", "segments": []},
        {"user_index": 3, "user_id": "u3", "segments": []},
    ]


def test_the_split_says_where_the_holdout_begins(lake: Store, settings: Settings) -> None:
    write_night(lake)
    write_snapshots(lake, [NIGHT], USERS, ITEMS)
    dataset.run(settings, NIGHT)
    commit = tables.read_commit(lake, layout.night("training/split", NIGHT))
    assert commit
    assert commit.facts == {
        "holdout_days": 1,
        "cut": seconds(night_end(BEFORE)),
        "end": seconds(night_end(NIGHT)),
        "warm_users": 2,
        "enough": True,
    }
    assert rows(lake, "split") == [commit.facts]


def examples_of(lake: Store, settings: Settings, **options: Any) -> tuple[list[dict[str, Any]], Report]:
    """Write a night whose snapshots count the days since the first of them; return its examples."""
    write_night(lake, **options)
    for place, day in enumerate(days_up_to(NIGHT, 3)):
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
        (1, 1, seconds(at(NIGHT, 3))),
        (2, 3, seconds(at(NIGHT, 4))),
    ]
    assert [row["weight"] for row in positives] == [1.0, 1.0, 3.0, 5.0, 1.0]
    assert [row["split"] for row in positives] == ["train"] * 3 + ["holdout"] * 2
    has = {1: {1, 2}, 2: {1, 3}}
    negatives = [row for row in examples if row["label"] == 0]
    assert negatives
    for row in negatives:
        group = positives[row["example_group"]]
        assert row["item_index"] not in has[row["user_index"]]
        assert all(
            row[name] == group[name] for name in ("user_index", "time", "weight", "split", "hour_of_week")
        )
    assert report.rows["examples"] == len(examples)
    assert report.facts["examples"]["positives"] == 5


def test_examples_know_the_newest_snapshot_that_is_not_later_than_they_are(
    lake: Store, settings: Settings
) -> None:
    midnight = night_end(BEFORE)
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
    same = [event(user, "i1", at(NIGHT, 5), kind) for user in USERS for kind in ("view", "cart")]
    write_night(lake, events=same)
    write_snapshots(lake, [BEFORE, NIGHT], ["u1"], ["i2"])
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
    warm = [event(user, item, at(BEFORE, 5)) for user in USERS[:2] for item in ("i1", "i2")]
    tonight = [event("u1", "i2", at(NIGHT)), event("u2", "i1", at(NIGHT)), event("u3", "i1", at(NIGHT))]
    write_night(lake, events=[*warm, *tonight])
    write_snapshots(lake, [BEFORE, NIGHT], ["u1", "u3"], ["i1", "i2"])
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


def test_only_the_newest_events_become_examples(
    make_settings: Callable[..., Settings], lake: Store, tmp_path: Path
) -> None:
    settings = shop(make_settings, tmp_path, dataset={"max_examples": 2, "negatives": 1})
    examples, _ = examples_of(lake, settings)
    assert {row["time"] for row in examples} == {seconds(at(NIGHT, 3)), seconds(at(NIGHT, 4))}
    assert [row["label"] for row in examples] == [1, 0, 1, 0]


def test_events_of_a_type_that_is_no_longer_declared_are_left_out(lake: Store, settings: Settings) -> None:
    write_night(lake, events=[*EVENTS, event("u3", "i4", at(NIGHT), "stare")])
    write_snapshots(lake, [NIGHT], USERS, ITEMS)
    assert dataset.run(settings, NIGHT).facts["events"] == len(EVENTS)


def test_a_night_without_any_event_makes_empty_tables(lake: Store, settings: Settings) -> None:
    write_night(lake, events=[])
    write_snapshots(lake, [BEFORE, NIGHT], USERS, ITEMS)
    report = dataset.run(settings, NIGHT)
    assert report.rows == {"sequences": 0, "items": 4, "users": 3, "split": 1, "examples": 0}
    assert rows(lake, "sequences") == rows(lake, "examples") == []
    assert not report.facts["holdout"]["enough"]


def test_a_join_that_loses_or_doubles_rows_stops_the_night(
    lake: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_night(lake)
    write_snapshots(lake, [BEFORE, NIGHT], USERS, ITEMS)
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


def test_it_works_on_s3_as_on_a_local_lake(
    s3_lake: Store, lake: Store, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    made = []
    for store in (lake, s3_lake):
        write_night(store)
        write_snapshots(store, [BEFORE, NIGHT], USERS, ITEMS)
        made.append(dataset.run(shop(make_settings, tmp_path, lake=store.uri), NIGHT))
    assert made[0].outputs == made[1].outputs


def test_a_stage_that_has_not_run_is_named(lake: Store, settings: Settings) -> None:
    write_clean(lake, BEFORE, EVENTS[:3])
    with pytest.raises(Refused, match=r"clean/interactions/run_date=2026-01-10.*run preprocess"):
        dataset.run(settings, NIGHT)
    write_night(lake)
    with pytest.raises(Refused, match=r"features/item_features/run_date=2026-01-10.*run features"):
        dataset.run(settings, NIGHT)
