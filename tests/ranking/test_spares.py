"""What stands by behind lists that caps have filled: whatever sells out has a successor under the same caps."""

import numpy as np

from pipeline_tasks.ranking.barred import Barred
from pipeline_tasks.ranking.filled import filled_of
from pipeline_tasks.ranking.ruled import TableRules
from pipeline_tasks.ranking.selection import Cap, Rules

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
    for places, standing_by in ((8, [9, 11, 5, 6]), (6, [9, 11]), (5, [9])):
        assert of_two_caps(kinds, 2, 4, places) == [1, 2, 3, 4, *standing_by]


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
    assert lists.items.tolist() == [[9, 8, 1, 0, 0, 0], [7, 1, 2, 0, 0, 0]]
    assert made.tally.still_short == 2
