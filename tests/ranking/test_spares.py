"""What stands by behind lists that caps have filled: whatever sells out has a successor under the same caps."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from pipeline_tasks.ranking.barred import Barred
from pipeline_tasks.ranking.filled import filled_of
from pipeline_tasks.ranking.ruled import TableRules
from pipeline_tasks.ranking.selection import Cap, Rules, choose
from pipeline_tasks.ranking.spares import standing_by

NOTHING_BARRED = Barred(np.zeros(2, np.int64), np.zeros(0, np.int32))


def test_spares_stand_behind_a_list_that_is_as_long_as_its_caps_allow() -> None:
    """Three of each group: what may stand in any place comes first, and then some of every group that is full."""
    group = np.array([0, *[1] * 20, *[2] * 20, 3], np.int32)
    items = np.concatenate([np.arange(1, 42), [0]]).astype(np.int32)[None]
    scores = np.linspace(0.9, 0.1, 42, dtype=np.float32)[None]
    rules = Rules(caps=[Cap("group", group, 3)])
    made = TableRules(rules, n=6, places=12, barred=NOTHING_BARRED, offers=1, n_items=41)
    lists = made.apply(filled_of(0, items, scores))
    assert lists.items.tolist() == [[1, 2, 3, 21, 22, 23, 41, 4, 5, 6, 24, 25]]
    assert (np.diff(lists.scores) <= 0).all()
    assert lists.scores[0, 0] == scores[0, 0]
    assert lists.scores[0, 5] == scores[0, 22]
    assert made.tally.still_short == 0
    assert made.tally.removed == {"group": 34}


def of_two_caps(kinds: list[tuple[int, int]], most: int, n: int, places: int) -> list[int]:
    """Return the list whose candidates are items 1, 2, … of these categories and brands, `most` of each in the first n."""
    category, brand = np.array([(0, 0), *kinds], np.int32).T
    rules = Rules(caps=[Cap("category", category, most), Cap("brand", brand, most)])
    made = TableRules(rules, n=n, places=places, barred=NOTHING_BARRED, n_items=len(kinds))
    items = np.arange(1, len(kinds) + 1, dtype=np.int32)[None]
    found: list[int] = made.apply(filled_of(0, items, np.ones(items.shape, np.float32))).items[0].tolist()
    return found


def test_where_two_caps_are_full_something_stands_by_that_can_follow_each_item() -> None:
    """Of two categories and brands, 2 of each: what shares one group with an item cannot follow it, the other is full."""
    kinds = [*[(1, 1)] * 2, *[(2, 2)] * 2, *[(1, 2)] * 2, *[(2, 1)] * 2, *[(1, 1)] * 2, *[(2, 2)] * 2]
    for places, standing in ((8, [5, 7, 9, 11]), (6, [9, 11]), (5, [9])):
        assert of_two_caps(kinds, 2, 4, places) == [1, 2, 3, 4, *standing]


def test_what_shares_a_full_group_and_has_room_in_the_other_stands_by_too() -> None:
    """Nothing shares both groups with an item; 5 and 6 are of its category, and of a brand that the list has none of."""
    assert of_two_caps([(1, 1), (2, 2), (1, 2), (2, 1), (1, 3), (2, 3)], 1, 3, 5) == [1, 2, 5, 6, 0]


def test_two_stand_by_for_an_item_whose_groups_both_have_room_without_it() -> None:
    """Where 1 is out, 2 of its category and 4 of its brand can both come in; 3 can only stand in for 2."""
    assert of_two_caps([(1, 1), (1, 2), (1, 3), (2, 1)], 1, 3, 5) == [1, 2, 4, 0, 0]


def test_spares_come_from_the_fallback_and_close_up_behind_a_short_list() -> None:
    group = np.array([0, *[1] * 9], np.int32)
    pairs = Barred.of_pairs(2, np.array([0, 1]), np.array([3, 4], np.int32))
    made = TableRules(
        Rules(caps=[Cap("group", group, 2)]), n=4, places=6, barred=pairs,
        fallback=np.arange(1, 10, dtype=np.int32), offers=9, n_items=9,
    )  # fmt: skip
    items = np.array([[9, 8, 0], [7, 0, 0]], np.int32)
    lists = made.apply(filled_of(0, items, np.ones((2, 3), np.float32)))
    assert lists.items.tolist() == [[9, 8, 1, 2, 0, 0], [7, 1, 2, 3, 0, 0]]
    assert made.tally.still_short == 2


ITEMS, CANDIDATES = 60, 40


def worlds(n_caps: int) -> Iterator[tuple[Rules, int, int, np.ndarray]]:
    """Yield caps of uneven groups, at times with items in none; n, fewer or more spares than that; lists' candidates."""
    for seed in range(100):
        draw = np.random.default_rng(seed)
        sizes = {"category": int(draw.integers(2, 7)), "brand": int(draw.integers(3, 12))}
        of_none = draw.choice([0.0, 0.1])
        caps = []
        for name, size in list(sizes.items())[:n_caps]:
            groups = (1 + size * draw.random(ITEMS) ** 2).astype(np.int32) * (draw.random(ITEMS) >= of_none)
            caps.append(Cap(name, np.append(0, groups).astype(np.int32), int(draw.integers(1, 4))))
        n = int(draw.integers(2, 12))
        items = np.stack([draw.permutation(ITEMS)[:CANDIDATES] + 1 for _ in range(6)]).astype(np.int32)
        yield Rules(caps=caps), n, int(draw.integers(1, 2 * n)), items


def fit(items: list[int], rules: Rules) -> bool:
    groups = [(cap, int(cap.groups[item])) for cap in rules.caps for item in items]
    return all(groups.count((cap, group)) <= cap.most for cap, group in groups if group)


def successors(listed: list[int], left: list[int], rules: Rules) -> dict[int, int]:
    """Return for each listed item the best that fits into the list without it, where there is one."""
    others = {item: [other for other in listed if other != item] for item in listed}
    fitting = {item: [new for new in left if fit([*others[item], new], rules)] for item in listed}
    return {item: some[0] for item, some in fitting.items() if some}


def after(row: list[int], n: int, rules: Rules) -> list[int]:
    """Return the first n of a row that fit together."""
    found: list[int] = []
    for item in row:
        if len(found) < n and fit([*found, item], rules):
            found.append(item)
    return found


def lists_of(rules: Rules, n: int, spares: int, items: np.ndarray) -> Iterator[tuple[list[int], ...]]:
    """Yield each list with its spares, its first n, and the candidates that are not among these."""
    barred = Barred(np.zeros(len(items) + 1, np.int64), np.zeros(0, np.int32))
    made = TableRules(rules, n=n, places=n + spares, barred=barred, n_items=ITEMS)
    lists = made.apply(filled_of(0, items, np.ones(items.shape, np.float32)))
    for candidates, row in zip(items.tolist(), lists.items.tolist(), strict=True):
        row = [item for item in row if item]
        listed = after(row, n, rules)
        yield row, listed, [item for item in candidates if item not in listed]


@pytest.mark.parametrize("n_caps", [1, 2])
def test_a_list_that_loses_an_item_is_as_long_as_before_if_any_candidate_fits(n_caps: int) -> None:
    cases: Counter[bool] = Counter()
    for rules, n, spares, items in worlds(n_caps):
        for row, listed, left in lists_of(rules, n, spares, items):
            succeeds = successors(listed, left, rules)
            if len(set(succeeds.values())) > spares:
                continue
            for item in succeeds:
                found = after([other for other in row if other != item], n, rules)
                assert len(found) >= len(listed), (n, spares, item)
                cases[spares < n] += 1
    assert min(cases[True], cases[False]) > 50


def test_with_spares_enough_a_list_that_loses_an_item_is_as_long_as_one_of_all_candidates() -> None:
    longer = 0
    for rules, n, _, items in worlds(2):
        for row, listed, left in lists_of(rules, n, 3 * n, items):
            for item in listed:
                others = [other for other in listed if other != item]
                found = after([other for other in row if other != item], n, rules)
                assert len(found) == len(after([*others, *left], n, rules))
                longer += len(found) > len(listed)
    assert longer > 5


@pytest.mark.parametrize("n_caps", [1, 2])
def test_what_stands_by_are_successors_those_of_most_items_if_there_are_too_many(n_caps: int) -> None:
    too_many = 0
    for rules, n, spares, items in worlds(n_caps):
        columns = choose(items, n, rules).columns
        listed = np.where(columns >= 0, np.take_along_axis(items, np.maximum(columns, 0), 1), 0)
        left = np.where((items[:, :, None] == listed[:, None]).any(2), 0, items)
        found = standing_by(listed, left, spares, rules)
        for row, own in enumerate(found.tolist()):
            own = [column for column in own if column >= 0]
            assert own == sorted(set(own))
            shown = [item for item in listed[row].tolist() if item]
            succeeds = successors(shown, [item for item in left[row].tolist() if item], rules)
            counts = Counter(succeeds.values())
            kept = sum(counts[item] for item in left[row, own].tolist())
            assert kept == sum(count for _, count in counts.most_common(spares))
            too_many += len(counts) > spares
    assert too_many > 5


def test_where_one_cap_and_fewer_spares_leave_no_whole_number_each_full_group_has_a_successor() -> None:
    """Three of each of two groups, and spares for two thirds of them: one cap of two would take both of a group."""
    group = np.array([0, *[1] * 9, *[2] * 9, *[3] * 9], np.int32)
    rules = Rules(caps=[Cap("group", group, 3)])
    listed = np.array([[1, 2, 3, 10, 11, 12, 19, 20, 21]], np.int32)
    left = np.array([[4, 5, 6, 7, 13, 14, 22, 23]], np.int32)
    assert left[0, standing_by(listed, left, 4, rules)[0]].tolist() == [4, 5, 13, 22]


def test_spares_that_caps_leave_free_are_of_all_groups_in_turn() -> None:
    """A list of two places, as more would break its cap: any two of what stands by may sell out with what is listed."""
    group = np.array([0, *[1] * 5, *[2] * 5], np.int32)
    rules = Rules(caps=[Cap("group", group, 1)])
    listed = np.array([[1, 6, 0, 0], [6, 1, 0, 0]], np.int32)
    left = np.array([[2, 3, 4, 5, 7, 8, 9, 10], [3, 2, 0, 0, 7, 0, 0, 0]], np.int32)
    found = standing_by(listed, left, 4, rules)
    shown = [[int(left[row, column]) for column in own if column >= 0] for row, own in enumerate(found)]
    assert shown == [[2, 3, 7, 8], [3, 2, 7]]


@pytest.mark.parametrize(("spares", "standing"), [(1, [9]), (3, [9, 2, 3])])
def test_what_a_boost_lifts_stands_by_before_what_it_is_lifted_above(
    spares: int, standing: list[int]
) -> None:
    group = np.array([0, *[1] * 10], np.int32)
    lifts = np.zeros(11, np.int64)
    lifts[9] = 7
    rules = Rules(caps=[Cap("category", group, 1), Cap("brand", group, 1)], lifts=lifts)
    made = TableRules(rules, n=1, places=1 + spares, barred=NOTHING_BARRED, n_items=10)
    lists = made.apply(filled_of(0, np.arange(1, 11, dtype=np.int32)[None], np.ones((1, 10), np.float32)))
    assert lists.items.tolist() == [[1, *standing]]
