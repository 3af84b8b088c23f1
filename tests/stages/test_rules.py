"""Rules over lists, from the settings to the staged lists, which keep them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.settings import night_end
from tests.stages.rules_night import (
    ALL_RULES,
    ITEMS,
    NEW,
    SPARES,
    N,
    brand,
    category,
    index,
    kind,
    lists_of,
    most,
    seen,
    staged,
)
from tests.training_night import NIGHT, put


def test_staged_lists_keep_every_rule(ruled_night: Callable[..., Any], lake: Store) -> None:
    _, report = ruled_night(ALL_RULES)
    rows, had = staged(lake), seen(lake)
    lists = lists_of(rows)
    assert len(lists) == 59
    assert "u007" not in lists
    for user, items in lists.items():
        assert len(items) == N + SPARES
        assert not set(items) & {*had.get(user, []), "i02"}
        assert most(items, category) <= 3
        assert most(items, brand) <= 2
        assert sum(index(item) in NEW for item in items[:N]) >= 2
        assert "i20" in had.get(user, []) or items[1] == "i20"
    pinned = rows[rows["source"] == "pinned"]
    assert set(zip(pinned["item_id"], pinned["rank"], pinned["reason"], strict=True)) == {
        ("i20", 2, "all"), ("i21", 1, "country=DE"),
    }  # fmt: skip
    german = {f"u{n:03d}" for n in range(1, 61) if n % 2 == 1}
    assert set(pinned.query("item_id == 'i21'")["user_id"]) == {
        user for user in german - {"u007"} if "i21" not in had.get(user, [])
    }
    told = report.facts["rules"]["top_n"]
    assert told["blocked_items"] == {"removed": 1, "of": "items"}
    assert told["blocked_users"] == {"removed": 1, "of": "users"}
    assert told["category_cap"]["removed"] > 0
    assert told["new_items"]["lists_below"] == 0
    assert told["pins"]["placed"] == len(pinned)
    assert report.facts["shortfalls"]["top_n"]["below_n"] == 0
    assert report.facts["shortfalls"]["top_n"]["rows_refilled"] > 0
    assert "; rules left out: seen " in report.summary


def test_users_who_get_no_list_are_not_counted_as_served(
    ruled_night: Callable[..., Any], lake: Store
) -> None:
    """Of sixty users the last three have no events."""
    _, report = ruled_night({"blocked_users": ["u007", "u059", "nobody"]})
    assert (report.rows["users"], report.rows["cold_users"]) == (58, 2)
    assert report.summary.startswith("58 users (2 without history)")
    assert len(lists_of(staged(lake))) == 58


def test_similar_and_popular_lists_keep_those_that_are_for_them(
    ruled_night: Callable[..., Any], lake: Store
) -> None:
    ruled_night(ALL_RULES)
    popular = lists_of(staged(lake, "popular"), "list_name")
    assert all(most(items[:8], brand) <= 2 and "i02" not in items for items in popular.values())
    assert popular["country=DE"][0] == "i21"
    assert popular["all"][0] != "i21"
    similar = lists_of(staged(lake, "similar_items"), "item_id", "similar_item_id")
    for items in similar.values():  # those that share a brand with others stand by, behind them
        assert most(items[: len({brand(index(item)) for item in items})], brand) <= 1
        assert "i02" not in items
    assert similar["i01"][2] == "i22"


def test_a_night_without_rules_is_the_same_whatever_is_set_beside_them(
    ruled_night: Callable[..., Any], lake: Store
) -> None:
    settings, plain = ruled_night({})
    other, beside = ruled_night({"candidates": 50, "category_level": 1, "new_items": {"days": 3}})
    assert beside.outputs == plain.outputs
    assert beside.facts == plain.facts
    assert settings.results_digest() == other.results_digest()


def test_rules_twice_give_the_same_bytes_and_in_other_blocks_the_same_lists(
    ruled_night: Callable[..., Any], lake: Store
) -> None:
    once, again = (ruled_night(ALL_RULES)[1] for _ in range(2))
    assert again.outputs == once.outputs
    lists = staged(lake)
    _, again = ruled_night(ALL_RULES, block_users=7)
    assert staged(lake).equals(lists)
    assert again.facts["rules"] == once.facts["rules"]


@pytest.mark.parametrize("model", ["popular", "item_knn"])
def test_everybody_gets_all_that_caps_leave_where_that_is_less_than_a_list(
    ruled_night: Callable[..., Any], lake: Store, model: str
) -> None:
    """Five categories and some items without one; four users in five have seen much of it."""
    _, report = ruled_night(
        {"candidates": 5, "caps": {"top_n": {"category": 1}}, "category_level": 2}, n=12, spares=8
    )
    had = seen(lake)
    for user, items in lists_of(staged(lake)).items():
        left = [n for n in range(1, ITEMS + 1) if f"i{n:02d}" not in had.get(user, [])]
        without = sum(category(n) is None for n in left)
        kinds = {category(n).split(" > ")[1] for n in left if category(n)}  # type: ignore[union-attr]
        under_caps: list[str] = []
        for item in items:
            if most([*under_caps, item], kind) <= 1:
                under_caps.append(item)
        assert under_caps == items[: without + len(kinds)]
        assert len(under_caps) == without + len(kinds)
    assert report.facts["shortfalls"]["top_n"]["below_n"] == 60
    assert "60 lists below N" in report.summary


def test_one_new_item_is_promised_where_the_spares_alone_would_have_none(
    ruled_night: Callable[..., Any], lake: Store
) -> None:
    _, report = ruled_night({"candidates": 20, "new_items": {"days": 7, "share": 0.1}}, spares=3)
    assert all(any(index(item) in NEW for item in items[:N]) for items in lists_of(staged(lake)).values())
    assert report.facts["rules"]["top_n"]["new_items"]["lists_below"] == 0


def test_all_items_blocked_is_a_night_of_no_lists(ruled_night: Callable[..., Any], lake: Store) -> None:
    ruled_night({"blocked_items": [f"i{n:02d}" for n in range(1, ITEMS + 1)]})
    assert [len(staged(lake, table)) for table in ("top_n", "similar_items", "popular")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("days", "holds"), [((0, 0), True), ((-3, 9), True), ((1, 9), False), ((-9, -1), False)]
)
def test_pins_and_boosts_hold_from_their_first_run_date_to_their_last(
    ruled_night: Callable[..., Any], lake: Store, days: tuple[int, int], holds: bool
) -> None:
    dated = dict(zip(("since", "until"), (NIGHT + timedelta(days=offset) for offset in days), strict=True))
    boost = {"item": "i39", "places": ITEMS, **dated}
    ruled_night({"pins": [{"item": "i40", "rank": 1, **dated}], "boosts": [boost]})
    rows = staged(lake)
    assert ("pinned" in set(rows["source"])) == holds
    assert all("i39" in items[:2] for items in lists_of(rows).values()) == holds


def test_a_pin_of_what_nobody_can_have_is_counted(ruled_night: Callable[..., Any], lake: Store) -> None:
    _, report = ruled_night({"pins": [{"item": "nope", "rank": 1}]})
    assert report.facts["rules"]["top_n"]["pins"] == {"placed": 0, "missing": 60}


def test_what_was_seen_comes_again_after_its_days(ruled_night: Callable[..., Any], lake: Store) -> None:
    _, report = ruled_night({"seen": {"view": 3}}, exclude_seen=False)
    rows = tables.read_table(lake, layout.night("training/sequences", NIGHT), "dataset").to_pylist()
    since = int(night_end(NIGHT).timestamp()) - 3 * 86_400
    lists, again = lists_of(staged(lake)), 0
    for row in rows:
        events = list(zip(row["items"], row["times"], strict=True))
        items = {index(item) for item in lists[f"u{row['user_index']:03d}"]}
        assert not items & {item for item, time in events if time >= since}
        again += len(items & {item for item, _ in events})
    assert again
    late = {
        (row["user_index"], i)
        for row in rows
        for i, t in zip(row["items"], row["times"], strict=True)
        if t >= since
    }
    assert report.facts["rules"]["top_n"]["seen"] == {"removed": len(late), "of": "pairs"}


def test_pairs_are_blocked_as_dataset_left_them(ruled_night: Callable[..., Any], lake: Store) -> None:
    """User 2 may have nothing but two items, user 3 nothing, and item 5 is for nobody."""
    blocked = [(2, item) for item in range(1, ITEMS + 1) if item not in (31, 32)]
    pairs = [(0, 5), (3, 0), *blocked]
    with pytest.raises(Refused, match="run dataset for this night first"):
        ruled_night({"blocked": "blocked.csv"})
    users, items = (pa.array(column, pa.int32()) for column in zip(*pairs, strict=True))
    put(lake, "training/blocked", NIGHT, pa.table({"user_index": users, "item_index": items}), {})
    _, report = ruled_night({"blocked": "blocked.csv"})
    lists = lists_of(staged(lake))
    assert "u003" not in lists
    assert set(lists["u002"]) <= {"i31", "i32"}
    assert all("i05" not in items for items in lists.values())
    assert report.facts["shortfalls"]["top_n"]["below_n"] == 1
