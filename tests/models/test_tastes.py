"""Pairs of users and items: each once, with its heaviest weight and its newest event; batches that lose none."""

import tracemalloc

import numpy as np
import pytest
import torch

from pipeline_tasks.models.interface import NO_REASON
from pipeline_tasks.models.tastes import heaviest_event, pieces, tastes_of
from tests.models.worlds import histories

CPU = torch.device("cpu")


def test_a_pair_counts_once_with_its_heaviest_weight_and_newest_event() -> None:
    known = histories([[5, 3, 5, 5], [], [3]], types=3)  # the types are 1, 2, 3, 1, 2
    found = tastes_of(known, (0.0, 1.0, 0.0, 4.0))
    assert found.offsets.tolist() == [0, 1, 1, 1]  # type 2 weighs nothing
    assert (found.items.tolist(), found.weights.tolist(), found.newest.tolist()) == ([5], [4.0], [3])


def test_rows_are_padded_with_item_0() -> None:
    found = tastes_of(histories([[5, 3], [], [4], [9, 8, 7]]), (0.0, 1.0))
    items, weights, newest = found.padded(np.array([2, 0]), CPU)
    assert items.tolist() == [[4, 0], [3, 5]]
    assert weights.tolist() == [[1, 0], [1, 1]]
    assert newest.tolist() == [[2, NO_REASON], [1, 0]]
    assert tastes_of(histories([[], []]), (0.0, 1.0)).padded(np.array([0, 1]), CPU)[0].shape == (2, 0)


def test_a_batch_costs_what_it_holds_however_many_users_there_are() -> None:
    known = histories([[1, 2, 3]] * 20_000)
    found = tastes_of(known, (0.0, 1.0))
    assert len(found.lengths) == 20_000
    tracemalloc.start()
    found.padded(np.array([5, 7]), CPU)
    found.of(np.array([5, 7]))
    known.rows(slice(0, 2))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000


@pytest.mark.parametrize("pairs", [1, 7, 10_000])
def test_batches_hold_every_row_with_pairs_once(pairs: int) -> None:
    generator = np.random.default_rng(1)
    rows = [generator.integers(1, 50, generator.integers(0, 9)).tolist() for _ in range(40)]
    found = tastes_of(histories(rows), (0.0, 1.0))
    some = [number for number, row in enumerate(rows) if row]
    for batches in (list(found.drawn(generator, pairs)), list(found.alike(pairs))):
        assert sorted(np.concatenate(batches).tolist()) == some
        assert all(found.lengths[batch].sum() <= pairs + 9 or len(batch) == 1 for batch in batches)


def test_pieces_of_nothing_are_none() -> None:
    assert list(pieces(np.array([], dtype=np.int64), 5)) == []
    assert list(pieces(np.array([3, 3, 9, 1]), 5)) == [(0, 1), (1, 2), (2, 4)]


def test_the_reason_is_the_heaviest_positive_contribution_and_of_equals_the_newest() -> None:
    contributions = torch.tensor([[[1.0, -1.0, 2.0], [1.0, -2.0, 1.0], [5.0, 5.0, 5.0]]])
    newest = torch.tensor([[4, 7, NO_REASON]])
    found = heaviest_event(contributions, newest, torch.tensor([[1, 2, 0]]))
    assert found.tolist() == [[7, NO_REASON, NO_REASON]]
