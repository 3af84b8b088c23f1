"""Rules over lists, from the settings to the final files: staged lists keep them, and so do those that lost rows."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import versions
from pipeline_tasks.settings import night_end
from pipeline_tasks.stages import evaluate, recommend, train
from tests.training_night import NIGHT, put, write_training_tables

N, SPARES, ITEMS = 6, 4, 40
CATEGORIES, BRANDS = 5, 8
NEW = range(33, 41)
QUICK: dict[str, Any] = {
    "train": {"model": "item_knn", "device": "cpu"},
    "ranking": {"enabled": False},
    "dataset": {"holdout_min_users": 10},
}
LISTS = {"n": N, "spares": SPARES, "files": 2, "popular": 8, "similar": 5, "block_users": 16}


@pytest.fixture
def night(make_settings: Callable[..., Any], lake: Store) -> Callable[..., Any]:
    """Return a function that stages a night's lists by rules, and gives settings and the stage's report."""

    def night(rules: dict[str, Any], run_date: date = NIGHT, **lists: Any) -> tuple[Any, Any]:
        settings = make_settings(**QUICK, recommend={**LISTS, **lists}, rules=rules)
        if not lake.exists(f"{layout.night('training/items', run_date)}/_commit.json"):
            write_world(lake, run_date)
            for stage in (train, evaluate):
                stage.run(settings, run_date)
        return settings, recommend.run(settings, run_date)

    return night


def write_world(lake: Store, run_date: date) -> None:
    """Write training tables whose items have a category, a brand and a first day; the last items are new."""
    write_training_tables(lake, run_date, items=ITEMS, cold_items=8)
    rows = tables.read_table(lake, layout.night("training/items", run_date), "dataset")
    end = int(night_end(run_date).timestamp())
    first = [end - (3 if number in NEW else 300) * 86_400 for number in range(1, ITEMS + 1)]
    rows = rows.set_column(
        rows.schema.get_field_index("first_seen"), "first_seen", pa.array(first, pa.int64())
    )
    rows = rows.append_column("category", pa.array([category(n) for n in range(1, ITEMS + 1)], pa.string()))
    rows = rows.append_column("brand", pa.array([brand(n) for n in range(1, ITEMS + 1)], pa.string()))
    put(lake, "training/items", run_date, rows, {})


def category(number: int) -> str | None:
    return None if number % 10 == 0 else f"Root > C{number % CATEGORIES} > leaf {number % 2}"


def kind(number: int) -> str | None:
    """Return the first two levels of a category."""
    found = category(number)
    return found and found.rsplit(" > ", 1)[0]


def brand(number: int) -> str:
    return f"b{number % BRANDS}"


def index(item: str) -> int:
    return int(item[1:])


def staged(lake: Store, table: str = "top_n") -> pd.DataFrame:
    return tables.read_table(lake, layout.night(f"staged/{table}", NIGHT), "recommend").to_pandas()


def lists_of(rows: pd.DataFrame, owner: str = "user_id", item: str = "item_id") -> dict[str, list[str]]:
    for _, own in rows.groupby(owner):
        assert own["rank"].tolist() == list(range(1, len(own) + 1))
        assert own[item].is_unique
        assert own["score"].is_monotonic_decreasing
    return {name: own[item].tolist() for name, own in rows.groupby(owner)}


def seen(lake: Store) -> dict[str, list[str]]:
    rows = tables.read_table(lake, layout.night("training/sequences", NIGHT), "dataset").to_pylist()
    return {f"u{row['user_index']:03d}": [f"i{item:02d}" for item in row["items"]] for row in rows}


def most(items: list[str], of: Callable[[int], str | None]) -> int:
    """Return how often the most frequent value of the items occurs."""
    values = pd.Series([of(index(item)) for item in items], dtype=object).dropna()
    return int(values.value_counts().max()) if len(values) else 0


ALL_RULES: dict[str, Any] = {
    "candidates": 15,
    "blocked_items": ["i02"],
    "blocked_users": ["u007"],
    "caps": {"top_n": {"category": 3, "brand": 2}, "popular": {"brand": 2}, "similar_items": {"brand": 1}},
    "new_items": {"days": 7, "share": 0.3},
    "diversity": 0.3,
    "pins": [
        {"item": "i20", "rank": 2},
        {"item": "i21", "rank": 1, "list": "country=DE", "tables": ["top_n", "popular"]},
        {"item": "i22", "rank": 3, "list": "i01", "tables": ["similar_items"]},
    ],
    "boosts": [{"brand": "b3", "places": 5, "tables": ["top_n", "popular", "similar_items"]}],
}


def test_staged_lists_keep_every_rule(night: Callable[..., Any], lake: Store) -> None:
    _, report = night(ALL_RULES)
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


def test_similar_and_popular_lists_keep_those_that_are_for_them(
    night: Callable[..., Any], lake: Store
) -> None:
    night(ALL_RULES)
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
    night: Callable[..., Any], lake: Store
) -> None:
    settings, plain = night({})
    other, beside = night({"candidates": 50, "category_level": 1, "new_items": {"days": 3}})
    assert beside.outputs == plain.outputs
    assert beside.facts == plain.facts
    assert settings.results_digest() == other.results_digest()


def test_rules_twice_give_the_same_bytes_and_in_other_blocks_the_same_lists(
    night: Callable[..., Any], lake: Store
) -> None:
    once, again = (night(ALL_RULES)[1] for _ in range(2))
    assert again.outputs == once.outputs
    lists = staged(lake)
    _, again = night(ALL_RULES, block_users=7)
    assert staged(lake).equals(lists)
    assert again.facts["rules"] == once.facts["rules"]


@pytest.mark.parametrize("model", ["popular", "item_knn"])
def test_everybody_gets_all_that_caps_leave_where_that_is_less_than_a_list(
    night: Callable[..., Any], lake: Store, model: str
) -> None:
    """Five categories and some items without one; four users in five have seen much of it."""
    _, report = night(
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


def test_all_items_blocked_is_a_night_of_no_lists(night: Callable[..., Any], lake: Store) -> None:
    night({"blocked_items": [f"i{n:02d}" for n in range(1, ITEMS + 1)]})
    assert [len(staged(lake, table)) for table in ("top_n", "similar_items", "popular")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("days", "pinned"), [((0, 0), True), ((-3, 9), True), ((1, 9), False), ((-9, -1), False)]
)
def test_a_pin_holds_from_its_first_run_date_to_its_last(
    night: Callable[..., Any], lake: Store, days: tuple[int, int], pinned: bool
) -> None:
    since, until = (NIGHT + timedelta(days=offset) for offset in days)
    night({"pins": [{"item": "i40", "rank": 1, "since": since, "until": until}]})
    assert ("pinned" in set(staged(lake)["source"])) == pinned


def test_a_pin_of_what_nobody_can_have_is_counted(night: Callable[..., Any], lake: Store) -> None:
    _, report = night({"pins": [{"item": "nope", "rank": 1}]})
    assert report.facts["rules"]["top_n"]["pins"] == {"placed": 0, "missing": 60}


def test_what_was_seen_comes_again_after_its_days(night: Callable[..., Any], lake: Store) -> None:
    _, report = night({"seen": {"view": 3}}, exclude_seen=False)
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


def test_pairs_are_blocked_as_dataset_left_them(night: Callable[..., Any], lake: Store) -> None:
    """User 2 may have nothing but two items, user 3 nothing, and item 5 is for nobody."""
    blocked = [(2, item) for item in range(1, ITEMS + 1) if item not in (31, 32)]
    pairs = [(0, 5), (3, 0), *blocked]
    with pytest.raises(Refused, match="run dataset for this night first"):
        night({"blocked": "blocked.csv"})
    users, items = (pa.array(column, pa.int32()) for column in zip(*pairs, strict=True))
    put(lake, "training/blocked", NIGHT, pa.table({"user_index": users, "item_index": items}), {})
    _, report = night({"blocked": "blocked.csv"})
    lists = lists_of(staged(lake))
    assert "u003" not in lists
    assert set(lists["u002"]) <= {"i31", "i32"}
    assert all("i05" not in items for items in lists.values())
    assert report.facts["shortfalls"]["top_n"]["below_n"] == 1


def write_shop(folder: Path, *gone: str) -> None:
    """Write the shop's files, as check reads them anew: everything can be had but these items."""
    (folder / "interactions").mkdir(parents=True, exist_ok=True)
    (folder / "interactions" / "a.csv").write_text("user,item,event,time,arrived,amount\n")
    (folder / "users.csv").write_text("user,updated_at,joined_at,age,gender,country,membership\n")
    names = [f"i{n:02d}" for n in range(1, ITEMS + 1)]
    since = datetime(2025, 1, 1, tzinfo=UTC).isoformat()
    lines = [{"item": name, "updated_at": since, "available": name not in gone} for name in names]
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")


def final(lake: Store, table: str, folder: Path) -> pd.DataFrame:
    verdict = versions.read_verdict(lake, NIGHT)
    assert verdict is not None
    manifest = versions.read_manifest(lake, verdict.version)
    files = versions.local_files(lake, verdict.version, manifest, table, folder)
    return pd.concat([pd.read_parquet(file) for file in files])


def test_lists_keep_every_rule_after_a_sell_out_and_a_late_block(
    night: Callable[..., Any], lake: Store, tmp_path: Path, spark: Any
) -> None:
    from pipeline_tasks.stages import check

    settings, _ = night(ALL_RULES)
    listed = lists_of(staged(lake))
    gone = {items[0] for items in list(listed.values())[:3] if items[0] not in ("i20", "i21")} | {"i33"}
    write_shop(tmp_path / "data", *gone)
    late = settings.model_copy(update={"rules": settings.rules.model_copy(update={"blocked": "blocked.csv"})})
    user = next(user for user, items in listed.items() if items[2] not in gone)
    (tmp_path / "data" / "blocked.csv").write_text(
        f"user_id,item_id,why\n{user},{listed[user][2]},returned\n"
    )
    report = check.run(late, NIGHT)
    rows, had = final(lake, "top_n", tmp_path / "f"), seen(lake)
    lists = lists_of(rows)
    assert listed[user][2] not in lists[user]
    below = 0
    for user, items in lists.items():
        assert len(items) == N
        assert not set(items) & {*had.get(user, []), *gone, "i02"}
        assert most(items, category) <= 3
        assert most(items, brand) <= 2
        left = sum(index(item) in NEW for item in listed[user] if item not in gone)
        below += left < 2
        assert sum(index(item) in NEW for item in items) >= min(2, left)
        assert "i20" in had.get(user, []) or items[1] == "i20"
    assert "u007" not in lists
    kept = report.facts["declared_rules"]
    assert kept["top_n"]["new_items"]["lists_below"] == below
    assert kept["top_n"]["pins"]["missing"] == 0
    assert kept["top_n"]["pins"]["placed"] == (rows["source"] == "pinned").sum()
    assert kept["similar_items"]["pins"] == {"placed": 1, "missing": 0}
    assert kept["popular"]["pins"] == {"placed": 1, "missing": 0}
    assert kept["top_n"]["shortfall"] == {"below_n": 0, "could_be_longer": 0}
    assert "1 rows blocked since they were staged" in report.summary
    (unkept,) = [each for each in report.facts["health"] if each["name"] == "rules_unkept"]
    assert unkept["found"] == pytest.approx(below / len(lists), abs=1e-6)


def test_lists_that_caps_make_short_go_live_and_keep_them_whatever_sold_out(
    night: Callable[..., Any], lake: Store, tmp_path: Path, spark: Any
) -> None:
    from pipeline_tasks.stages import check

    rules = {"candidates": 10, "caps": {"top_n": {"category": 1}}, "category_level": 2}
    settings, _ = night(rules, n=12, spares=8)
    first = [next(item for item in items if kind(index(item))) for items in lists_of(staged(lake)).values()]
    write_shop(tmp_path / "data", *first[:2])
    report = check.run(settings, NIGHT)
    assert report.facts["declared_rules"]["top_n"]["shortfall"] == {"below_n": 60, "could_be_longer": 0}
    lists = lists_of(final(lake, "top_n", tmp_path / "f"))
    assert len(lists) == 60
    assert all(most(items, kind) <= 1 for items in lists.values())
    night({**rules, "caps": {"top_n": {"category": 2}}}, n=12, spares=8)
    check.run(settings, NIGHT)
    lists = lists_of(final(lake, "top_n", tmp_path / "g"))
    assert all(most(items, kind) <= 1 for items in lists.values())


def test_the_share_of_a_rule_that_is_not_kept_is_the_largest() -> None:
    from pipeline_tasks.stages.check.ruled import share_unkept

    pins, new = {"placed": 3, "missing": 1}, {"lists": 10, "lists_below": 4, "rows": 6}
    assert share_unkept({"top_n": {"pins": pins, "new_items": new}, "popular": {"pins": pins}}) == 0.4
    assert share_unkept({"popular": {"pins": {"placed": 0, "missing": 2}}}) == 1
    assert share_unkept({"top_n": {"pins": {"placed": 0, "missing": 0}}}) == 0
