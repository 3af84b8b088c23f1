"""A night as the report finds it: clean and training tables, snapshots, versions that went live, and its records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline_tasks.lake import layout, records, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.reporting.ending import of_this_run
from pipeline_tasks.reporting.night import Night, open_night
from pipeline_tasks.settings import Settings
from pipeline_tasks.stages import publish
from tests.lists import NIGHT
from tests.stages.published_night import write_checked, write_records
from tests.test_reader import go_live
from tests.training_tables import write_clean, write_snapshots

BEFORE = NIGHT - timedelta(days=1)
KINDS = ["view", "purchase"]
FIRST_SEEN = 1_735_689_600


def at(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def event(user: str, item: str, day: date = NIGHT, hour: int = 12, kind: str = "view") -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "event_time": at(day, hour), "event_type": kind}


def write_tables(
    lake: Store,
    users: Sequence[str],
    items: Sequence[str],
    arrived: Sequence[dict[str, Any]] = (),
    earlier: Sequence[dict[str, Any]] = (),
    *,
    night: date = NIGHT,
    versions: Mapping[str, Mapping[str, Any]] | None = None,
    titles: Mapping[str, str] | None = None,
    gone: Iterable[str] = (),
) -> None:
    """Write the night's clean and training tables: `arrived` is its delta, `earlier` what was known before.

    `versions` are columns of clean items by item.
    """
    rows = [{"item_id": item, **(versions or {}).get(item, {})} for item in items]
    write_clean(
        lake, night, arrived, users=[{"user_id": user} for user in users], items=rows,
        vocabulary=(users, items), after=night - timedelta(days=1),
    )  # fmt: skip
    user_index = {name: number for number, name in enumerate(users, 1)}
    item_index = {name: number for number, name in enumerate(items, 1)}
    histories: dict[str, list[dict[str, Any]]] = {}
    for each in sorted([*earlier, *arrived], key=lambda each: each["event_time"]):
        histories.setdefault(each["user_id"], []).append(each)
    sequences = [
        {
            "user_index": user_index[user],
            "items": [item_index[each["item_id"]] for each in own],
            "types": [KINDS.index(each["event_type"]) + 1 for each in own],
            "times": [int(each["event_time"].timestamp()) for each in own],
        }
        for user, own in sorted(histories.items(), key=lambda pair: user_index[pair[0]])
    ]
    _put(lake, "training/sequences", night, sequences, {
        "user_index": pa.int32(), "items": pa.list_(pa.int32()), "types": pa.list_(pa.int8()),
        "times": pa.list_(pa.int64()),
    }, {"event_types": KINDS})  # fmt: skip
    _put(lake, "training/items", night, [
        {"item_index": item_index[item], "item_id": item, "title": (titles or {}).get(item),
         "available": item not in gone, "first_seen": FIRST_SEEN}
        for item in items
    ], {"item_index": pa.int32(), "item_id": pa.string(), "title": pa.string(), "available": pa.bool_(),
        "first_seen": pa.int64()})  # fmt: skip
    people = [{"user_index": user_index[user], "user_id": user} for user in users]
    _put(lake, "training/users", night, people, {"user_index": pa.int32(), "user_id": pa.string()})
    write_snapshots(lake, [night], users, items)


@contextmanager
def opened(lake: Store, settings: Settings, night: date = NIGHT) -> Iterator[Night]:
    """Give the night, every stage of which up to publish has left a record."""
    write_records(lake, night=night)
    fresh = of_this_run(records.read_night(lake, night))
    with open_night(lake, settings, night, fresh) as found:
        yield found


def _put(
    lake: Store, table: str, night: date, rows: list[dict[str, Any]], schema: dict[str, pa.DataType],
    facts: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    made = pa.Table.from_pylist(rows, pa.schema(schema))
    tables.write_table(lake, layout.night(table, night), made, facts=facts)


ACCOUNT = {
    "table": "interactions", "raw": 985, "rejected": 15, "clean": 900, "quarantined": 40, "in": 1000,
    "cleaned_out": {"bot": 30, "future": 0}, "duplicates": {"exact": 10, "near": 5},
}  # fmt: skip
NAME = "challenger transformer with ranking"
# what the stages of a night tell, also those facts that not every night has
FACTS: dict[str, dict[str, Any]] = {
    "ingest": {"rejected": {"interactions": {"event_time_not_timestamp": 15}}},
    "validate": {"quarantined": {"interactions": {"unknown_item": 40}}},
    "preprocess": {"accounts": {"interactions": ACCOUNT}},
    "evaluate": {
        "metrics": {NAME: {"ndcg@10": 0.31, "recall@10": 0.4}, "popular": {"ndcg@10": 0.05, "recall@10": 0.1}},
        "intervals": {NAME: {"ndcg@10": [0.2765, 0.3435]}},
        "comparison": {"difference": 0.0123, "interval": [-0.0045, 0.0291], "users": 77, "against": "ease"},
        "role": "challenger", "holdout": {"users": 160, "days": 1, "cut": 0},
        "serving": {"name": "transformer with ranking", "model_version": "2026-01-10-aaaaaaaaaaaa",
                    "reason": "the challenger is better than ease"},
    },
    "recommend": {"rules": {"top_n": {
        "at_most_two_a_brand": {"removed": 31, "of": "rows"}, "adults_only": {"removed": 0},
        "pins": {"placed": 5, "missing": 0},
    }}, "shortfalls": {"top_n": {"lists": 9, "rows_refilled": 21, "below_n": 2},
                       "popular": {"lists": 0, "rows_refilled": 0, "below_n": 0}}},
    "check": {
        "health": [
            {"name": "users_lost", "severity": "stop", "found": 0.0123, "limit": 0.05, "holds": True,
             "sentence": "1.2% of the users who have a list in v have none now (check.limits.users_lost is 0.05)"},
            {"name": "score_drift", "severity": "warn", "found": 0.3, "limit": 0.25, "holds": False,
             "sentence": "scores lie elsewhere than in v: population stability index 0.30 (check.limits.score_drift is 0.25)"},
        ],
        "difference": {"new": 1, "gone": 2, "same": 3, "reordered": 4, "changed": 5, "replaced": 6, "kept": 0.75,
                       "new_items": 7, "gone_items": 8, "gained": [], "lost": []},
        "removed": {"top_n": 12},
        "declared_rules": {
            "top_n": {"pins": {"placed": 41, "missing": 2, "examples": ["ann"]},
                      "new_items": {"lists": 160, "lists_below": 3, "rows": 317, "examples": ["bob"]},
                      "shortfall": {"below_n": 8, "could_be_longer": 1, "examples": ["cat"]}},
            "popular": {"pins": {"placed": 0, "missing": 1, "examples": ["country=DE"]}},
        },
    },
}  # fmt: skip


def write_whole(
    lake: Store, settings: Settings, folder: Path, titles: Mapping[str, str] | None = None
) -> str:
    """Write a night that went live after another one did, with all there is to tell of it; return its version."""
    lists = {"ann": ["i1", "i2"], "bob": ["i2", "i1"]}
    go_live(lake, folder / "before", lists, night=BEFORE)
    verdict = write_checked(lake, folder / "own", lists=lists, warnings=["few users"])
    publish.run(settings, NIGHT)
    write_tables(
        lake, ["ann", "bob", "cat"], ["i1", "i2", "i3"], [event("ann", "i1"), event("bob", "i3")],
        [event("bob", "i1", BEFORE)], titles=titles,
        versions={"i1": {"category": "Home > Tea"}, "i2": {"category": "<b>Toys</b>"}},
    )  # fmt: skip
    write_snapshots(lake, [BEFORE], ["ann", "bob", "cat"], ["i1", "i2", "i3"])
    write_records(
        lake, **{stage: {"facts": facts, "rows": {"things": 1234}} for stage, facts in FACTS.items()}
    )
    return verdict.version
