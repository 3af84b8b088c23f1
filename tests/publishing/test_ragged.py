"""Lists of different lengths are counted as sets would count them, however many there are."""

import numpy as np
import pytest

from pipeline_tasks.publishing import ragged
from pipeline_tasks.publishing.ragged import Ragged, distinct, equal, shared


def of(lists: list[list[int]]) -> Ragged:
    sizes = np.array([len(each) for each in lists], np.int64)
    values = np.array([value for each in lists for value in each], np.int32)
    return Ragged(values, np.cumsum(sizes) - sizes, sizes)


def some(seed: int, count: int) -> list[list[int]]:
    """Return lists of none to seven values, many of which come again."""
    generator = np.random.default_rng(seed)
    return [generator.integers(-2, 9, generator.integers(0, 8)).tolist() for _ in range(count)]


@pytest.mark.parametrize("at_once", [10, 100_000])
def test_random_lists_are_counted_as_sets(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(ragged, "VALUES_AT_ONCE", at_once)
    a, b = some(1, 500), some(2, 500)
    assert distinct(of(a)).tolist() == [len(set(each)) for each in a]
    assert shared(of(a), of(b)).tolist() == [len({*x} & {*y}) for x, y in zip(a, b, strict=True)]
    b[::3] = a[::3]
    same = [x == y for x, y in zip(a, b, strict=True)]
    assert equal(of(a), of(b)).tolist() == same
    assert 0 < sum(same) < len(same)


def test_lists_are_taken_in_any_order_and_more_than_once() -> None:
    lists = [[5, 5, 1], [], [2], [1, 5]]
    taken = of(lists).taken(np.array([3, 0, 0, 1]))
    assert distinct(taken).tolist() == [2, 2, 2, 0]
    assert shared(taken, of(lists)).tolist() == [2, 0, 0, 0]


def test_values_of_31_bits_are_kept_apart() -> None:
    a, b = [[2**30 - 1, 0, -(2**30)]], [[2**30 - 1, 1, -(2**30)]]
    assert shared(of(a), of(b)).tolist() == [2]
    assert distinct(of([[2**31 - 1, -(2**31), 0, -1]])).tolist() == [4]


def test_without_lists_there_is_nothing_to_count() -> None:
    assert (
        distinct(of([])).tolist() == shared(of([]), of([])).tolist() == equal(of([]), of([])).tolist() == []
    )
    assert distinct(of([[]])).tolist() == shared(of([[]]), of([[]])).tolist() == [0]
