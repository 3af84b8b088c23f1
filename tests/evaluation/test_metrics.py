"""Metrics against a slow second implementation, and against values worked out by hand."""

import math

import numpy as np
import pytest

from pipeline_tasks.evaluation.metrics import measure
from pipeline_tasks.models.data import Histories


def truth_of(rows: list[list[int]]) -> Histories:
    items = np.array([item for row in rows for item in row], dtype=np.int32)
    return Histories(
        np.arange(1, len(rows) + 1, dtype=np.int32),
        np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64),
        items,
        np.ones(len(items), dtype=np.int8),
        np.zeros(len(items), dtype=np.int64),
    )


def slow(items: list[int], truth: set[int], k: int) -> tuple[float, float, float]:
    hits = [rank for rank, item in enumerate(items[:k], start=1) if item in truth]
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(len(truth), k) + 1))
    gain = sum(1 / math.log2(rank + 1) for rank in hits)
    return len(hits) / len(truth), gain / ideal, 1 / hits[0] if hits else 0.0


def test_metrics_agree_with_a_slow_implementation() -> None:
    generator = np.random.default_rng(3)
    lists = np.stack([generator.permutation(30)[:12] + 1 for _ in range(200)]).astype(np.int32)
    lists[generator.random(200) < 0.2, 7:] = 0  # short lists
    rows = [generator.integers(1, 31, generator.integers(1, 20)).tolist() for _ in range(200)]
    found = measure(lists, truth_of(rows), 10, 30)
    expected = np.array(
        [slow([i for i in own.tolist() if i], set(row), 10) for own, row in zip(lists, rows, strict=True)]
    )
    np.testing.assert_allclose(np.stack([found.recall, found.ndcg, found.mrr], 1), expected)


def test_a_hit_at_rank_two_is_worth_what_the_formulas_say() -> None:
    found = measure(np.array([[5, 7, 9]], dtype=np.int32), truth_of([[7, 8]]), 3, 10)
    assert found.recall.tolist() == [0.5]
    assert found.mrr.tolist() == [0.5]
    assert found.ndcg.tolist() == pytest.approx([(1 / math.log2(3)) / (1 + 1 / math.log2(3))])


def test_coverage_is_the_share_of_the_catalogue_that_is_shown() -> None:
    lists = np.array([[1, 2], [2, 3], [0, 0]], dtype=np.int32)
    assert measure(lists, truth_of([[1], [1], [1]]), 2, 12).coverage == 0.25


def test_means_are_named_after_k() -> None:
    found = measure(np.array([[1]], dtype=np.int32), truth_of([[1]]), 10, 4)
    assert found.means() == {"recall@10": 1.0, "ndcg@10": 1.0, "mrr@10": 1.0, "coverage@10": 0.25}


def test_no_users_have_no_metrics() -> None:
    found = measure(np.zeros((0, 10), dtype=np.int32), truth_of([]), 10, 5)
    assert found.means() == {"recall@10": 0.0, "ndcg@10": 0.0, "mrr@10": 0.0, "coverage@10": 0.0}
