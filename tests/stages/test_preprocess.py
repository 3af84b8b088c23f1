"""Preprocess cleans a night, numbers its ids, and accounts for every row."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.stages import preprocess
from pipeline_tasks.stages.preprocess.accounting import Account
from tests.builders import START
from tests.stages.raw_lake import put_night, rows_of, shop

FIRST, SECOND, THIRD = (date(2026, 1, day) for day in (1, 2, 3))
NOON = START + timedelta(hours=12)

pytestmark = pytest.mark.usefixtures("spark")


def at(seconds: float = 0, **fields: Any) -> dict[str, Any]:
    return {"event_time": NOON + timedelta(seconds=seconds), **fields}


def bot(events: int = 501) -> list[dict[str, Any]]:
    return [at(n * 3, user_id="bot", item_id=f"i{n % 2 + 1}") for n in range(events)]


def clean(lake: Any, night: date, table: str = "interactions") -> list[dict[str, Any]]:
    return rows_of(lake, f"clean/{table}", night)


def ids(lake: Any, night: date, table: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rows_of(lake, f"vocabulary/{table}", night)]


ITEMS = [{"item_id": "i1"}, {"item_id": "i2"}]
FATES = [
    at(user_id="u1", item_id="i1", value=3.0),
    at(user_id="u1", item_id="i1", value=3.0),  # exact duplicate
    at(1, user_id="u1", item_id="i1"),  # near duplicate
    at(user_id="u2", item_id="i1", event_time=START + timedelta(days=1)),  # future
    at(user_id="u3", item_id="i1"),  # no value: dropped
    at(user_id="u4", item_id="nowhere", value=1.0),  # unknown item: validation's
    *[{**row, "value": 1.0} for row in bot()],
]


def test_every_row_of_a_night_has_one_fate(make_settings: Any, lake: Any, tmp_path: Path) -> None:
    settings = shop(make_settings, tmp_path, missing={"interactions": {"value": [{"strategy": "drop"}]}})
    put_night(settings, lake, FIRST, FATES, ITEMS, rejected=2)
    report = preprocess.run(settings, FIRST)
    account = report.facts["accounts"]["interactions"]
    assert account["in"] == len(FATES) + 2
    assert account["rejected"] == 2
    assert account["quarantined"] == 1
    assert account["duplicates"] == {"exact": 1, "near": 1}
    assert account["cleaned_out"] == {"bot": 501, "future": 1, "missing_value": 1}
    assert account["clean"] == 1
    quarantined = rows_of(lake, "quarantine/interactions_cleaning", FIRST)
    assert {(row["user_id"], *row["reasons"]) for row in quarantined} == {
        ("bot", "bot"), ("u2", "future"), ("u3", "missing_value"),
    }  # fmt: skip
    assert report.facts["bots"] == {"bot": 501}
    # a bot and who has only dropped events stay known; who is only in the future is not
    assert ids(lake, FIRST, "users") == [("bot", 1), ("u1", 2), ("u3", 3)]
    assert ids(lake, FIRST, "items") == [("i1", 1), ("i2", 2)]
    row = clean(lake, FIRST)[0]
    assert (row["user_id"], row["item_id"]) == ("u1", "i1")


def test_nights_append_and_a_rerun_of_the_first_is_as_it_was(
    make_settings: Any, lake: Any, tmp_path: Path
) -> None:
    settings = shop(make_settings, tmp_path)
    put_night(
        settings, lake, FIRST, [at(user_id="u5", item_id="i2")], [{"item_id": "i2"}], [{"user_id": "u5"}]
    )
    first = preprocess.run(settings, FIRST)
    tomorrow = NOON + timedelta(days=1)
    again = at(user_id="u5", item_id="i2", arrival=tomorrow)
    near = at(-1, user_id="u5", item_id="i2", arrival=tomorrow)
    new = at(user_id="a", item_id="a", event_time=tomorrow)
    items = [{"item_id": "a"}, {"item_id": "i2"}]
    put_night(settings, lake, SECOND, [again, near, new], items, [{"user_id": "u5"}])
    second = preprocess.run(settings, SECOND)
    assert second.facts["accounts"]["interactions"]["duplicates"] == {"exact": 1, "near": 1}
    assert [row["user_id"] for row in clean(lake, SECOND)] == ["a"]
    assert ids(lake, SECOND, "users") == [("u5", 1), ("a", 2)]
    assert ids(lake, SECOND, "items") == [("i2", 1), ("a", 2)]
    # a night without events is a normal night
    put_night(settings, lake, THIRD, [], items)
    assert preprocess.run(settings, THIRD).rows["interactions"] == 0
    assert clean(lake, THIRD) == []
    assert ids(lake, THIRD, "users") == [("u5", 1), ("a", 2), ("u1", 3)]
    assert list(tables.chain(lake, "clean/interactions", THIRD)) == [FIRST, SECOND, THIRD]
    assert preprocess.run(settings, FIRST).outputs == first.outputs


STRATEGIES = {
    "items": {
        "title": [{"strategy": "drop"}],
        "brand": [{"strategy": "constant", "value": "unknown"}],
        "price": [{"strategy": "indicator"}, {"strategy": "median"}],
    },
    "users": {"age": [{"strategy": "mean"}]},
}
SCALES = {"items": {"price": "min_max"}, "users": {"age": "standard"}, "interactions": {"value": "min_max"}}


def test_items_and_users_are_filled_scaled_and_tokenized_by_what_the_night_before_kept(
    make_settings: Any, lake: Any, tmp_path: Path
) -> None:
    settings = shop(make_settings, tmp_path, missing=STRATEGIES, scale=SCALES)
    items = [
        {"item_id": "i1", "price": 10.0},
        {"item_id": "i2", "price": None, "brand": None},
        {"item_id": "i3", "price": 30.0},
        {"item_id": "i4", "title": None},
    ]
    users = [{"user_id": "u1", "age": 30}, {"user_id": "u2", "age": 40}, {"user_id": "u3", "age": None}]
    put_night(settings, lake, FIRST, [at(value=0.0), at(9, value=4.0)], items, users)
    report = preprocess.run(settings, FIRST)
    found = clean(lake, FIRST, "items")
    assert [row["item_id"] for row in found] == ["i1", "i2", "i3"]
    assert "item_index" not in found[0]
    assert [(row["price"], row["price_scaled"]) for row in found] == [(10.0, 0.0), (20.0, 0.5), (30.0, 1.0)]
    assert [row["price_missing"] for row in found] == [False, True, False]
    assert [row["brand"] for row in found] == ["Corvid", "unknown", "Corvid"]
    assert found[0]["tokens"] == ["copper", "kettle", "铜", "水壶", "kettle", "copper", "铜制", "水壶"]
    ages = [(row["age"], row["age_scaled"]) for row in clean(lake, FIRST, "users")]
    assert ages == [(30, -1.0), (40, 1.0), (35, 0.0)]
    assert report.facts["accounts"]["items"]["cleaned_out"] == {"missing_title": 1}
    assert report.facts["missing"]["items"] == {"title": 1, "brand": 1, "price": 1}

    dearer = [{"item_id": "i1", "price": 100.0}, {"item_id": "i2", "price": None}]
    late = at(user_id="u2", event_time=NOON + timedelta(days=1), value=8.0)
    put_night(settings, lake, SECOND, [late], dearer)
    preprocess.run(settings, SECOND)
    found = clean(lake, SECOND, "items")
    assert [(row["price"], row["price_scaled"]) for row in found] == [(100.0, 4.5), (20.0, 0.5)]
    assert [row["value_scaled"] for row in clean(lake, SECOND)] == [2.0]
    # what this night has fitted is for the next one; events stay on their first scale
    kept = tables.require_commit(lake, layout.night("clean/items", SECOND), "preprocess").facts["fitted"]
    assert kept["fills"]["price"] == {"kind": "median", "value": 100.0}
    events = tables.require_commit(lake, layout.night("clean/interactions", SECOND), "preprocess")
    assert events.facts["fitted"]["scales"]["value"]["spread"] == 4.0


def test_rows_that_are_not_accounted_for_stop_the_night() -> None:
    whole = Account("items", raw=10, rejected=1, clean=6, quarantined=2, cleaned_out={"bot": 1},
                    duplicates={"near": 1})  # fmt: skip
    assert whole.check() is whole
    with pytest.raises(NightjarError, match="items: 11 rows came in and 10 are accounted for"):
        replace(whole, clean=5).check()


def test_a_night_that_is_not_ingested_or_validated_is_refused(
    make_settings: Any, lake: Any, tmp_path: Path
) -> None:
    settings = shop(make_settings, tmp_path)
    with pytest.raises(Refused, match="run ingest"):
        preprocess.run(settings, FIRST)
    put_night(settings, lake, FIRST, [at()])
    lake.delete([f"{layout.night('quarantine/users', FIRST)}/_commit.json"])
    with pytest.raises(Refused, match="run validate"):
        preprocess.run(settings, FIRST)


def test_a_night_that_validate_stopped_or_that_changed_since_is_refused(
    make_settings: Any, lake: Any, tmp_path: Path
) -> None:
    settings = shop(make_settings, tmp_path)
    put_night(settings, lake, FIRST, [at()])
    lake.write(layout.gate(FIRST), b'{"raw/interactions/ingest_date=2026-01-10": "other"}')
    with pytest.raises(Refused, match="validated on other tables than there are now"):
        preprocess.run(settings, FIRST)
    lake.delete([layout.gate(FIRST)])
    with pytest.raises(Refused, match="stopped by validate"):
        preprocess.run(settings, FIRST)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ({"items": {"title": [{"strategy": "mean"}]}}, r"missing\.items\.title: mean does not suit"),
        ({"items": {"price": [{"strategy": "constant", "value": "dear"}]}}, "'dear' is no float"),
        ({"items": {"brand": [{"strategy": "predict", "by": ["tags"]}]}}, "cannot predict by tags"),
        ({"items": {"price": [{"strategy": "predict"}]}}, "cannot predict by no column"),
    ],
)
def test_a_strategy_that_does_not_suit_its_column_is_refused(
    make_settings: Any, lake: Any, tmp_path: Path, missing: Any, message: str
) -> None:
    with pytest.raises(Refused, match=message):
        preprocess.run(shop(make_settings, tmp_path, missing=missing), FIRST)


def test_scaling_is_for_numbers(make_settings: Any, lake: Any, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"scale\.items\.brand: only numbers"):
        preprocess.run(shop(make_settings, tmp_path, scale={"items": {"brand": "log"}}), FIRST)
