"""Negatives: never what the user has, never what was not there yet, popular items more often."""

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.dataset.negatives import draw_negatives, pair_keys

ALWAYS = np.iinfo(np.int64).min


def draw(
    users: list[int],
    *,
    has: list[tuple[int, int]],
    counts: list[int],
    each: int = 3,
    times: int = 100,
    first_seen: list[int] | None = None,
    seed: int = 0,
) -> NDArray[np.int32]:
    n_items = len(counts)
    pairs = np.array(has, np.int32).reshape(-1, 2)
    return draw_negatives(
        np.array(users, np.int32),
        np.full(len(users), times),
        np.sort(pair_keys(pairs[:, 0], pairs[:, 1], n_items)),
        np.array(counts),
        np.array(first_seen) if first_seen else np.full(n_items, ALWAYS),
        each,
        np.random.default_rng(seed),
    )


def test_no_item_that_the_user_has_is_drawn_and_none_twice() -> None:
    drawn = draw([1, 2] * 200, has=[(1, 1), (1, 2), (2, 6)], counts=[0, 9, 9, 9, 9, 9, 9])
    assert not np.isin(drawn[::2], [1, 2]).any()
    assert not (drawn[1::2] == 6).any()
    found = [[item for item in row if item] for row in drawn.tolist()]
    assert all(len(set(row)) == len(row) for row in found)
    assert sum(map(len, found)) > 0.95 * drawn.size


def test_an_item_that_appeared_later_is_not_drawn() -> None:
    drawn = draw([1] * 100, has=[], counts=[0, 5, 5, 5, 5], first_seen=[ALWAYS, 50, 100, 101, ALWAYS])
    assert set(drawn.ravel().tolist()) == {1, 2, 4}


def test_a_user_who_has_nearly_everything_gets_fewer() -> None:
    drawn = draw([1] * 20, has=[(1, 1), (1, 2)], counts=[0, 5, 5, 5])
    assert (np.sort(drawn, axis=1) == [0, 0, 3]).all()


def test_a_user_who_has_everything_and_an_empty_catalogue_get_none() -> None:
    assert not draw([1], has=[(1, 1)], counts=[0, 5]).any()
    assert not draw([1], has=[], counts=[0]).any()


def test_popular_items_are_drawn_more_often_but_less_than_in_proportion() -> None:
    drawn = draw([1] * 20_000, has=[], counts=[0, 9999, 99], each=1)
    ratio = (drawn == 1).sum() / (drawn == 2).sum()
    assert 28 < ratio < 36  # 100 ** 0.75 = 31.6


def test_the_same_seed_draws_the_same() -> None:
    users, counts = [1, 2, 3] * 50, [0, *range(1, 40)]
    first = draw(users, has=[(1, 3)], counts=counts, seed=4)
    assert (first == draw(users, has=[(1, 3)], counts=counts, seed=4)).all()
    assert (first != draw(users, has=[(1, 3)], counts=counts, seed=5)).any()
