"""Lists by a table's rules at their edges: no candidates at all, and rules that nobody declared."""

import numpy as np

from pipeline_tasks.ranking.barred import Barred
from pipeline_tasks.ranking.filled import PINNED, filled_of
from pipeline_tasks.ranking.ruled import Pinned, TableRules
from pipeline_tasks.ranking.selection import Cap, Rules

NOTHING_BARRED = Barred(np.zeros(3, np.int64), np.zeros(0, np.int32))
NO_ITEMS = filled_of(0, np.zeros((2, 0), np.int32), np.zeros((2, 0), np.float32))


def test_a_pin_stands_in_a_list_that_has_no_candidates() -> None:
    pin = Pinned(item=7, rank=3, rows=np.array([True, False]))
    made = TableRules(Rules(), n=3, places=4, barred=NOTHING_BARRED, pins=[pin], n_items=9)
    lists = made.apply(NO_ITEMS)
    assert lists.items.tolist() == [[7, 0, 0, 0], [0, 0, 0, 0]]
    assert lists.sources[0, 0] == PINNED
    assert np.isfinite(lists.scores).all()
    assert (made.tally.placed, made.tally.missing) == (1, 0)


def test_a_pin_that_gives_way_to_one_of_an_earlier_say_is_not_missed() -> None:
    """The first list has three pins of its own, one of what cannot be had; the second may not have 6."""
    first, both = np.array([True, False]), np.array([True, True])
    pins = [
        *(Pinned(7, 1, first), Pinned(8, 2, first), Pinned(0, 3, first)),
        *(Pinned(6, 1, both), Pinned(7, 2, both), Pinned(8, 3, both), Pinned(0, 4, both)),
    ]
    barred = Barred.of_pairs(2, np.array([1]), np.array([6], np.int32))
    made = TableRules(Rules(), n=4, places=4, barred=barred, pins=pins, n_items=9)
    items = np.array([[1, 2, 3, 4], [1, 2, 3, 4]], np.int32)
    lists = made.apply(filled_of(0, items, np.ones((2, 4), np.float32)))
    assert lists.items.tolist() == [[7, 8, 1, 2], [1, 7, 8, 2]]
    # of the first list's the pins of 0, of the second's those of 6 and 0
    assert (made.tally.placed, made.tally.missing) == (4, 2 + 2)


def test_a_list_that_is_refilled_counts_new_items_only_where_they_are_promised() -> None:
    fallback = np.array([3, 1, 2], np.int32)
    new = np.isin(np.arange(10), [2])
    for rules, told in (
        (Rules(), {}),
        (Rules(new=new, needed=np.array([1, 1])), {"new_items": 2}),
    ):
        made = TableRules(rules, 2, 2, NOTHING_BARRED, fallback=fallback, offers=3, n_items=9)
        made.apply(NO_ITEMS)
        assert made.tally.refilled == 4
        assert made.tally.removed == told


def test_spares_stand_behind_a_list_that_is_as_long_as_its_caps_allow() -> None:
    """Three of each group: what may stand in any place comes first, and then some of every group that is full."""
    group = np.array([0, *[1] * 20, *[2] * 20, 3], np.int32)
    items = np.concatenate([np.arange(1, 42), [0]]).astype(np.int32)[None]
    scores = np.linspace(0.9, 0.1, 42, dtype=np.float32)[None]
    nothing = Barred(np.zeros(2, np.int64), np.zeros(0, np.int32))
    rules = Rules(caps=[Cap("group", group, 3)])
    made = TableRules(rules, n=6, places=12, barred=nothing, offers=1, n_items=41)
    lists = made.apply(filled_of(0, items, scores))
    assert lists.items.tolist() == [[1, 2, 3, 21, 22, 23, 41, 4, 5, 6, 24, 25]]
    assert (np.diff(lists.scores) <= 0).all()
    assert lists.scores[0, 0] == scores[0, 0]
    assert lists.scores[0, 5] == scores[0, 22]
    assert made.tally.still_short == 0
    assert made.tally.removed == {"group": 34}


def test_where_two_caps_are_full_something_stands_by_that_can_follow_each_item() -> None:
    """Of two categories and brands, 2 of each: what shares one group with an item cannot follow it, the other is full."""
    kinds = [*[(1, 1)] * 2, *[(2, 2)] * 2, *[(1, 2)] * 2, *[(2, 1)] * 2, *[(1, 1)] * 2, *[(2, 2)] * 2]
    category, brand = np.array([(0, 0), *kinds], np.int32).T
    nothing = Barred(np.zeros(2, np.int64), np.zeros(0, np.int32))
    rules = Rules(caps=[Cap("category", category, 2), Cap("brand", brand, 2)])
    for places, standing_by in ((8, [9, 11, 5, 6]), (6, [9, 11]), (5, [9])):
        made = TableRules(rules, n=4, places=places, barred=nothing, n_items=12)
        lists = made.apply(filled_of(0, np.arange(1, 13, dtype=np.int32)[None], np.ones((1, 12), np.float32)))
        assert lists.items.tolist() == [[1, 2, 3, 4, *standing_by]]


def test_what_shares_a_full_group_and_has_room_in_the_other_stands_by_too() -> None:
    """Nothing shares both groups with an item; 5 and 6 are of its category, and of a brand that the list has none of."""
    kinds = [(1, 1), (2, 2), (1, 2), (2, 1), (1, 3), (2, 3)]
    category, brand = np.array([(0, 0), *kinds], np.int32).T
    nothing = Barred(np.zeros(2, np.int64), np.zeros(0, np.int32))
    rules = Rules(caps=[Cap("category", category, 1), Cap("brand", brand, 1)])
    made = TableRules(rules, n=3, places=5, barred=nothing, n_items=6)
    lists = made.apply(filled_of(0, np.arange(1, 7, dtype=np.int32)[None], np.ones((1, 6), np.float32)))
    assert lists.items.tolist() == [[1, 2, 5, 6, 0]]


def test_two_stand_by_for_an_item_whose_groups_both_have_room_without_it() -> None:
    """Where 1 is out, 2 of its category and 4 of its brand can both come in; 3 can only stand in for 2."""
    category, brand = np.array([(0, 0), (1, 1), (1, 2), (1, 3), (2, 1)], np.int32).T
    nothing = Barred(np.zeros(2, np.int64), np.zeros(0, np.int32))
    rules = Rules(caps=[Cap("category", category, 1), Cap("brand", brand, 1)])
    made = TableRules(rules, n=3, places=5, barred=nothing, n_items=4)
    lists = made.apply(filled_of(0, np.arange(1, 5, dtype=np.int32)[None], np.ones((1, 4), np.float32)))
    assert lists.items.tolist() == [[1, 2, 4, 0, 0]]


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


def test_new_items_lack_only_where_their_row_may_have_them() -> None:
    """Of the two new items the first row may have neither, the second one and the third, which has no more, both."""
    new = np.isin(np.arange(10), [8, 9])
    barred = Barred.of_pairs(3, np.array([0, 0, 1]), np.array([8, 9, 8], np.int32))
    made = TableRules(Rules(new=new, needed=np.array([0, 1, 2])), n=3, places=3, barred=barred, n_items=9)
    items = np.array([[1, 2, 3], [1, 2, 9], [1, 2, 9]], np.int32)
    made.apply(filled_of(0, items, np.ones((3, 3), np.float32)))
    assert made.tally.few_new == 1
