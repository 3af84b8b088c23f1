"""The k best of every row are those that sorting the whole row gives, whatever the shape and the ties."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline_tasks.ranking.top_k import _by_torch, top_k


def sorted_whole(scores: Tensor, k: int) -> tuple[list[list[float]], list[list[int]]]:
    """Sort every row by value, falling, then by column."""
    columns = np.argsort(-scores.numpy(), axis=1, kind="stable")[:, :k]
    return as_lists(
        torch.from_numpy(np.take_along_axis(scores.numpy(), columns, 1)), torch.from_numpy(columns)
    )


def as_lists(values: Tensor, columns: Tensor) -> tuple[list[list[float]], list[list[int]]]:
    """What -inf stands at is nobody's business: -1."""
    return values.tolist(), columns.masked_fill(values == -torch.inf, -1).tolist()


def scores_of(kind: str, rows: int, columns: int, generator: np.random.Generator) -> Tensor:
    if kind == "distinct":
        scores = generator.permuted(np.tile(np.arange(columns, dtype=np.float32), (rows, 1)), axis=1)
    elif kind == "ties":
        scores = generator.integers(0, 4, (rows, columns)).astype(np.float32)
    elif kind == "equal":
        scores = np.zeros((rows, columns), dtype=np.float32)
    else:  # masked: few are left, in some rows none
        scores = generator.integers(0, 50, (rows, columns)).astype(np.float32)
        scores[generator.random((rows, columns)) < 0.97] = -np.inf
        scores[::3] = -np.inf
    return torch.from_numpy(scores)


@pytest.mark.parametrize("way", [top_k, _by_torch])  # the second is what a GPU does
@pytest.mark.parametrize("kind", ["distinct", "ties", "equal", "masked"])
@pytest.mark.parametrize("seed", range(6))
def test_the_best_are_those_of_a_full_sort(kind: str, seed: int, way: Any) -> None:
    generator = np.random.default_rng((seed, len(kind)))
    for _ in range(15):
        rows, columns = int(generator.integers(0, 9)), int(np.exp(generator.uniform(0, np.log(6000))))
        k = int(generator.choice([0, 1, 2, 10, 100, 7000]))
        if way is _by_torch and not (rows and 0 < 2 * k < columns):
            continue  # never asked of it
        scores = scores_of(kind, rows, columns, generator)
        before = scores.clone()
        values, found = way(scores, k)
        assert as_lists(values, found) == sorted_whole(before, k), (rows, columns, k)
        assert torch.equal(scores, before)


def test_rows_need_not_lie_together_in_memory() -> None:
    scores = torch.randn(3, 4000, generator=torch.Generator().manual_seed(1))
    for view in (scores[:, 100:3700], scores.T[:, :3]):
        values, found = top_k(view, 5)
        assert as_lists(values, found) == sorted_whole(view.contiguous(), 5)


def test_equal_scores_are_ranked_by_the_smaller_column() -> None:
    values, columns = top_k(torch.tensor([[1.0, 3.0, 3.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0, 0.0]]), 2)
    assert columns.tolist() == [[1, 2], [0, 1]]
    assert values.tolist() == [[3.0, 3.0], [0.0, 0.0]]
