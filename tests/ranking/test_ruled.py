"""Lists by a table's rules at their edges: no candidates at all, and rules that nobody declared."""

import numpy as np

from pipeline_tasks.ranking.barred import Barred
from pipeline_tasks.ranking.filled import PINNED, filled_of
from pipeline_tasks.ranking.ruled import Pinned, TableRules
from pipeline_tasks.ranking.selection import Rules

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


def test_new_items_lack_only_where_their_row_may_have_them() -> None:
    """Of the two new items the first row may have neither, the second one and the third, which has no more, both."""
    new = np.isin(np.arange(10), [8, 9])
    barred = Barred.of_pairs(3, np.array([0, 0, 1]), np.array([8, 9, 8], np.int32))
    made = TableRules(Rules(new=new, needed=np.array([0, 1, 2])), n=3, places=3, barred=barred, n_items=9)
    items = np.array([[1, 2, 3], [1, 2, 9], [1, 2, 9]], np.int32)
    made.apply(filled_of(0, items, np.ones((3, 3), np.float32)))
    assert made.tally.few_new == 1
