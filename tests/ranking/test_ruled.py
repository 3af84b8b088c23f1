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
