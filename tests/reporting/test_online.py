"""The lists that were live are judged by the day's events of those who had one; of nobody else, and nothing older."""

from collections.abc import Callable
from datetime import timedelta
from math import log2
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pytest
from ir_measures import R, Success, nDCG

from pipeline_tasks.evaluation.metrics import measure
from pipeline_tasks.lake.store import Store
from pipeline_tasks.reporting import online
from pipeline_tasks.reporting.night import Absent
from tests.evaluation.test_metrics import truth_of
from tests.lists import NIGHT
from tests.reporting.report_night import BEFORE, event, opened, write_tables
from tests.test_reader import go_live

USERS, ITEMS = ["ann", "bob", "cat", "dan"], ["i1", "i2", "i3", "i4", "i5"]
LISTS = {"ann": ["i1", "i2", "i4"], "bob": ["i1", "i3"], "cat": ["i1", "i2"]}
ARRIVED = [
    event("ann", "i2"),
    event("ann", "i2", hour=13, kind="purchase"),  # the same item twice counts once
    event("ann", "i4", hour=14),
    event("ann", "i3", BEFORE, 23),  # arrived late: not of this day
    event("bob", "i1"),
    event("bob", "i5"),
    event("dan", "i1"),  # has no list
]
EARLIER = [event("bob", "i1", BEFORE), event("cat", "i5", BEFORE)]


@pytest.fixture
def make(make_settings: Callable[..., Any]) -> Callable[..., Any]:
    def settings(**recommend: Any) -> Any:
        return make_settings(evaluate={"k": 2}, recommend=recommend)

    return settings


def judge(lake: Store, settings: Any) -> online.Online:
    with opened(lake, settings) as night:
        return online.judge(night)


def test_live_lists_are_judged_by_what_was_new_to_their_users(
    either_lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    version = go_live(either_lake, tmp_path / "files", LISTS, night=BEFORE)
    write_tables(either_lake, USERS, ITEMS, ARRIVED, EARLIER)
    found = judge(either_lake, make_settings(lake=either_lake.uri, evaluate={"k": 2}))
    assert (found.version, found.night, found.day) == (version, str(BEFORE), str(NIGHT))
    # ann wanted i2 and i4, of whom i2 is in the first two places; bob wanted i5 alone, since he had i1 before
    ndcg = (1 / log2(3)) / (1 + 1 / log2(3))
    assert found.metrics["live"] == pytest.approx(
        {"recall@2": (0.5 + 0) / 2, "ndcg@2": ndcg / 2, "hit_rate@2": 0.5}
    )
    assert (found.users, found.active, found.without_list) == (2, 3, 1)
    # popular is i1, i2; bob, who has seen i1, would have been shown i2 first
    assert found.metrics["popular"]["recall@2"] == pytest.approx(0.25)
    for low, high in found.intervals["live"].values():
        assert 0 <= low <= high <= 1


def test_where_seen_items_may_be_recommended_they_count(
    lake: Store, make: Callable[..., Any], tmp_path: Path
) -> None:
    go_live(lake, tmp_path / "files", LISTS, night=BEFORE)
    write_tables(lake, USERS, ITEMS, ARRIVED, EARLIER)
    found = judge(lake, make(exclude_seen=False))
    assert found.metrics["live"]["recall@2"] == pytest.approx(
        (0.5 + 0.5) / 2
    )  # bob's i1 is first in his list


@pytest.mark.parametrize(
    ("seen", "counts"),
    [
        ({"view": 0}, False),
        ({"view": 1}, False),
        ({"purchase": 0}, True),
        ({"view": 1, "purchase": 0}, False),
    ],
)
def test_what_the_rules_leave_out_does_not_count(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path, seen: dict[str, int], counts: bool
) -> None:
    go_live(lake, tmp_path / "files", LISTS, night=BEFORE)
    write_tables(lake, USERS, ITEMS, ARRIVED, EARLIER)
    settings = make_settings(evaluate={"k": 2}, recommend={"exclude_seen": False}, rules={"seen": seen})
    found = judge(lake, settings)
    assert found.only_new
    assert found.metrics["live"]["recall@2"] == pytest.approx(0.5 if counts else 0.25)


def test_what_was_seen_long_enough_ago_counts_again(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    go_live(lake, tmp_path / "files", LISTS, night=BEFORE)
    write_tables(lake, USERS, ITEMS, ARRIVED, [event("bob", "i1", BEFORE - timedelta(days=1)), *EARLIER[1:]])
    settings = make_settings(
        evaluate={"k": 2}, recommend={"exclude_seen": False}, rules={"seen": {"view": 1}}
    )
    assert judge(lake, settings).metrics["live"]["recall@2"] == pytest.approx(0.5)


def test_the_same_night_has_the_same_intervals(lake: Store, make: Callable[..., Any], tmp_path: Path) -> None:
    go_live(lake, tmp_path / "files", LISTS, night=BEFORE)
    write_tables(lake, USERS, ITEMS, ARRIVED, EARLIER)
    assert judge(lake, make()) == judge(lake, make())


def test_a_version_of_the_night_itself_or_later_is_not_judged(
    lake: Store, make: Callable[..., Any], tmp_path: Path
) -> None:
    old = go_live(lake, tmp_path / "old", LISTS, night=BEFORE)
    go_live(lake, tmp_path / "own", {"ann": ["i4"]}, night=NIGHT)
    go_live(lake, tmp_path / "later", {"ann": ["i4"]}, night=NIGHT + timedelta(days=1))
    write_tables(lake, USERS, ITEMS, ARRIVED, EARLIER)
    assert judge(lake, make()).version == old


def test_nobody_to_judge_by_is_no_failure(lake: Store, make: Callable[..., Any], tmp_path: Path) -> None:
    go_live(lake, tmp_path / "files", LISTS, night=BEFORE)
    write_tables(lake, USERS, ITEMS, [], EARLIER)
    found = judge(lake, make())
    assert (found.users, found.active, found.metrics) == (0, 0, {})


def test_without_a_version_before_or_tables_the_night_says_so(
    lake: Store, make: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(Absent, match="nothing was live"):
        judge(lake, make())
    go_live(lake, tmp_path / "files", LISTS, night=BEFORE)
    with pytest.raises(Absent, match="there is no clean/interactions"):
        judge(lake, make())


def test_it_is_what_ir_measures_and_our_evaluation_find(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    k, users, items = 10, 80, 40
    generator = np.random.default_rng(3)
    names = [f"i{n}" for n in range(1, items + 1)]
    lists = {
        f"u{user:02}": [names[n] for n in generator.permutation(items)[: generator.integers(4, 16)]]
        for user in range(users)
    }
    wanted = {
        user: [names[n] for n in generator.permutation(items)[: generator.integers(1, 25)]] for user in lists
    }
    arrived = [event(user, item) for user, own in wanted.items() for item in own]
    go_live(lake, tmp_path / "files", lists, night=BEFORE)
    write_tables(lake, list(lists), names, arrived)
    found = judge(lake, make_settings(evaluate={"k": k})).metrics["live"]

    qrels = [ir_measures.Qrel(user, item, 1) for user, own in wanted.items() for item in own]
    run = [
        ir_measures.ScoredDoc(user, item, -float(rank))
        for user, own in lists.items()
        for rank, item in enumerate(own)
    ]
    expected = ir_measures.calc_aggregate([R @ k, nDCG @ k, Success @ k], qrels, run)
    assert found["recall@10"] == pytest.approx(expected[R @ k], abs=1e-9)
    assert found["ndcg@10"] == pytest.approx(expected[nDCG @ k], abs=1e-9)
    assert found["hit_rate@10"] == pytest.approx(expected[Success @ k], abs=1e-9)

    shown = np.zeros((users, 16), dtype=np.int32)
    for row, own in enumerate(lists.values()):
        shown[row, : len(own)] = [names.index(item) + 1 for item in own]
    truth = truth_of([[names.index(item) + 1 for item in own] for own in wanted.values()])
    ours = measure(shown, truth, k, items).means()
    assert found["ndcg@10"] == pytest.approx(ours["ndcg@10"], abs=1e-9)
    assert found["recall@10"] == pytest.approx(ours["recall@10"], abs=1e-9)
