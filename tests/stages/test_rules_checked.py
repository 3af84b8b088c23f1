"""Rules over lists in the final files: those that lost rows keep them, and what could not be kept is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import verdicts
from pipeline_tasks.stages.check.ruled import share_unkept
from tests.stages.rules_night import (
    ALL_RULES,
    NEW,
    N,
    brand,
    category,
    final,
    index,
    kind,
    lists_of,
    most,
    seen,
    staged,
    write_shop,
)
from tests.training_night import NIGHT


def test_lists_keep_every_rule_after_a_sell_out_and_a_late_block(
    ruled_night: Callable[..., Any], lake: Store, tmp_path: Path
) -> None:
    from pipeline_tasks.stages import check

    settings, _ = ruled_night(ALL_RULES)
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


def test_some_of_the_lists_that_lack_a_pin_are_named(
    ruled_night: Callable[..., Any], lake: Store, tmp_path: Path
) -> None:
    from pipeline_tasks.stages import check

    pins = [{"item": "i20", "rank": 1, "tables": ["top_n", "popular"]}]
    settings, _ = ruled_night({"pins": []})
    write_shop(tmp_path / "data")
    pinned = settings.model_copy(update={"rules": type(settings.rules)(pins=pins)})
    kept = check.run(pinned, NIGHT).facts["declared_rules"]
    assert kept["top_n"]["pins"]["missing"] > 5
    assert len(kept["top_n"]["pins"]["examples"]) == 5
    assert kept["popular"]["pins"]["examples"] == ["all", "country=DE", "country=FR"]


def test_lists_that_caps_make_short_go_live_and_keep_them_whatever_sold_out(
    ruled_night: Callable[..., Any], lake: Store, tmp_path: Path
) -> None:
    from pipeline_tasks.stages import check

    rules = {"candidates": 10, "caps": {"top_n": {"category": 1}}, "category_level": 2}
    settings, _ = ruled_night(rules, n=12, spares=8)
    first = [next(item for item in items if kind(index(item))) for items in lists_of(staged(lake)).values()]
    write_shop(tmp_path / "data", *first[:2])
    report = check.run(settings, NIGHT)
    assert report.facts["declared_rules"]["top_n"]["shortfall"] == {"below_n": 60, "could_be_longer": 0}
    lists = lists_of(final(lake, "top_n", tmp_path / "f"))
    assert len(lists) == 60
    assert all(most(items, kind) <= 1 for items in lists.values())
    ruled_night({**rules, "caps": {"top_n": {"category": 2}}}, n=12, spares=8)
    check.run(settings, NIGHT)
    lists = lists_of(final(lake, "top_n", tmp_path / "g"))
    assert all(most(items, kind) <= 1 for items in lists.values())


def test_what_was_seen_is_judged_by_the_events_that_leave_it_out(
    ruled_night: Callable[..., Any], lake: Store, tmp_path: Path
) -> None:
    from pipeline_tasks.stages import check

    settings, _ = ruled_night({"seen": {"view": 3}}, exclude_seen=False)
    write_shop(tmp_path / "data")
    assert not check.run(settings, NIGHT).facts["held_by"]
    settings, _ = ruled_night({"seen": {"view": 1}}, exclude_seen=False)
    longer = settings.model_copy(update={"rules": settings.rules.model_copy(update={"seen": {"view": 0}})})
    with pytest.raises(Refused, match="top_n: nothing_seen fails"):
        check.run(longer, NIGHT)


def test_pins_without_effect_are_warned_of(
    ruled_night: Callable[..., Any], lake: Store, tmp_path: Path
) -> None:
    from pipeline_tasks.stages import check

    both = ["top_n", "popular"]
    pins = [
        {"item": "i20", "rank": 1},
        {"item": "i21", "rank": 2, "list": "country=XX", "tables": both},
        {"item": "nope", "rank": 3, "tables": both},
        {"item": "i22", "rank": 1, "list": "country=DE", "tables": both},
    ]
    settings, _ = ruled_night({"pins": pins})
    write_shop(tmp_path / "data", "i22")
    told = [each for each in check.run(settings, NIGHT).facts["warnings"] if "pins" in each]
    assert [each.partition(", so that ")[0] for each in told] == [
        "rules.pins.3: item 'i22' cannot be had",
        "rules.pins.1: no list of top_n is called 'country=XX' (there are 2: 'country=DE', 'country=FR')",
        "rules.pins.2: there is no item 'nope'",
        "rules.pins.1: no list of popular is called 'country=XX' (there are 3: 'all', 'country=DE', 'country=FR')",
    ]
    verdict = verdicts.read(lake, NIGHT)
    assert verdict is not None
    assert verdict.passed
    assert set(told) <= set(verdict.warnings)


def test_the_share_of_a_rule_that_is_not_kept_is_the_largest() -> None:

    pins, new = {"placed": 3, "missing": 1}, {"lists": 10, "lists_below": 4, "rows": 6}
    assert share_unkept({"top_n": {"pins": pins, "new_items": new}, "popular": {"pins": pins}}) == 0.4
    assert share_unkept({"popular": {"pins": {"placed": 0, "missing": 2}}}) == 1
    assert share_unkept({"top_n": {"pins": {"placed": 0, "missing": 0}}}) == 0
