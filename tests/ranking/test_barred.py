"""Pairs of rows and items are held once and in order, whether they come together or one lot after another."""

import numpy as np
import pytest

from pipeline_tasks.ranking.barred import Barred

ROWS, ITEMS = 7, 9


@pytest.mark.parametrize(("first", "later"), [(0, 0), (0, 5), (5, 0), (60, 20)])
def test_pairs_that_come_later_are_held_as_if_they_had_come_at_once(first: int, later: int) -> None:
    for seed in range(20):
        draw = np.random.default_rng(seed)
        row = draw.integers(0, ROWS, first + later)
        item = draw.integers(1, ITEMS + 1, first + later).astype(np.int32)
        pairs = sorted(set(zip(row.tolist(), item.tolist(), strict=True)))
        once = Barred.of_pairs(ROWS, row, item)
        twice = Barred.of_pairs(ROWS, row[:first], item[:first]).also(row[first:], item[first:])
        for made in (once, twice):
            assert list(zip(made.row_of_item.tolist(), made.items.tolist(), strict=True)) == pairs
            assert (len(made), made.items.dtype) == (ROWS, np.int32)


def test_the_greatest_numbers_stay_whole() -> None:
    most = np.iinfo(np.int32).max
    made = Barred.of_pairs(3, np.array([2, 2]), np.array([most, 1], np.int32))
    assert made.items.tolist() == [1, most]
    assert made.offsets.tolist() == [0, 0, 0, 2]
