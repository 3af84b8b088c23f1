"""Spark ML's item factors: what they solve, how the penalty is meant, and that a seed decides them."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline_tasks.spark.als_factors import als_factors

USERS, ITEMS, DIM, ALPHA, REGULARIZATION = 30, 12, 4, 5.0, 0.5


def touched(seed: int = 0) -> np.ndarray[Any, Any]:
    """Return (users, items): the weights of pairs, 0 where there is none; everybody has some."""
    generator = np.random.default_rng(seed)
    found = generator.choice([0.0, 0.0, 1.0, 3.0], (USERS, ITEMS))
    found[np.arange(USERS), np.arange(USERS) % ITEMS] = 1.0
    return found


def fit(spark: Any, weights: np.ndarray[Any, Any], **other: Any) -> dict[int, list[float]]:
    users, items = np.nonzero(weights)
    pairs = pa.table(
        {
            "user_index": pa.array(users + 1, pa.int32()),
            "item_index": pa.array(items + 1, pa.int32()),
            "weight": pa.array(weights[users, items], pa.float32()),
        }
    )
    asked = {"dim": DIM, "alpha": ALPHA, "regularization": REGULARIZATION, "iterations": 2, "seed": 1}
    found = als_factors(spark.createDataFrame(pairs), **{**asked, "blocks": 2, **other})
    return {row["item_index"]: list(row["factors"]) for row in found.collect()}


def solved(table: np.ndarray[Any, Any], weights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the rows' factors by equation 4 of the paper, the penalty times the row's pairs over their mean."""
    mean = 2 * (weights > 0).sum() / sum(weights.shape)
    rows = []
    for row in weights:
        own = np.flatnonzero(row)
        penalty = REGULARIZATION * len(own) / mean * np.eye(DIM)
        left = table.T @ table + (table[own].T * ALPHA * row[own]) @ table[own] + penalty
        rows.append(np.linalg.solve(left, table[own].T @ (1 + ALPHA * row[own])))
    return np.array(rows)


def test_an_iteration_solves_the_papers_equations_with_a_penalty_by_pairs(spark: Any) -> None:
    weights = touched()
    first, second = (fit(spark, weights, iterations=iterations) for iterations in (1, 2))
    users = solved(in_order(first), weights)
    np.testing.assert_allclose(in_order(second), solved(users, weights.T), atol=1e-5)


def in_order(found: dict[int, list[float]]) -> np.ndarray[Any, Any]:
    return np.array([found[item] for item in range(1, ITEMS + 1)])


def test_only_items_with_a_pair_have_factors(spark: Any) -> None:
    weights = touched()
    weights[:, [2, 7]] = 0
    found = fit(spark, weights)
    assert set(found) == set(range(1, ITEMS + 1)) - {3, 8}
    assert {len(factors) for factors in found.values()} == {DIM}


@pytest.mark.parametrize("blocks", [1, 3])
def test_the_same_seed_gives_the_same_factors_and_another_one_others(spark: Any, blocks: int) -> None:
    first, again, other = (fit(spark, touched(), seed=seed, blocks=blocks) for seed in (1, 1, 2))
    assert first == again
    assert first != other
