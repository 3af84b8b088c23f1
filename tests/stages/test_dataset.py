"""The dataset stage: sequences, items, users and the split, exactly; empty nights and other stores."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.settings import Settings, night_end
from pipeline_tasks.stages import dataset
from tests.builders import moment
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
from tests.training_tables import write_clean, write_snapshot, write_snapshots


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    return shop(make_settings, tmp_path)


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
        {
            "item_id": "i1",
            "updated_at": new,
            "title": "new",
            "available": False,
            "appeared_at": old,
            "category": "Root > New",
            "brand": "B",
        },
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
    kinds = [(item.pop("category"), item.pop("brand")) for item in items]
    assert (kinds[0], kinds[2]) == (("Root > New", "B"), (None, None))
    assert items == [
        {"item_index": 1, "item_id": "i1", "available": False, "first_seen": seconds(old), "title": "new"},
        {"item_index": 2, "item_id": "i2", "available": True, "first_seen": seconds(at(BEFORE, 10)), "title": None},
        {"item_index": 3, "item_id": "i3", "available": True, "first_seen": seconds(at(NIGHT, 4)), "title": None},
        {"item_index": 4, "item_id": "i4", "available": True, "first_seen": None, "title": "Copper kettle"},
    ]  # fmt: skip


def test_blocks_are_written_by_index_without_those_that_nobody_knows(
    lake: Store, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    write_night(lake)
    write_snapshots(lake, [NIGHT], USERS, ITEMS)
    settings = shop(make_settings, tmp_path, rules={"blocked": "blocked.csv"})
    lines = ["user_id,item_id", "u2,i3", ",i1", "u1,", "nobody,i1", "u1,nothing", "nobody,", ",nothing"]
    (tmp_path / "data" / "blocked.csv").write_text("\n".join(lines) + "\n")
    dataset.run(settings, NIGHT)
    assert [(row["user_index"], row["item_index"]) for row in rows(lake, "blocked")] == [
        (0, 1),
        (1, 0),
        (2, 3),
    ]


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


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_who_came_for_nothing_new_is_evidence_only_where_seen_items_are_recommended(
    lake: Store, make_settings: Callable[..., Settings], tmp_path: Path, exclude_seen: bool
) -> None:
    settings = shop(make_settings, tmp_path, recommend={"exclude_seen": exclude_seen})
    again = [event("u3", "i4", at(day)) for day in (BEFORE, NIGHT)]
    write_night(lake, events=[*EVENTS, *again])
    write_snapshots(lake, [NIGHT], USERS, ITEMS)
    assert dataset.run(settings, NIGHT).facts["holdout"]["warm_users"] == (2 if exclude_seen else 3)


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
