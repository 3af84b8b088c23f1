"""Bootstrap intervals, against SciPy's, against theory, and in how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from pipeline_tasks.evaluation.intervals import Bootstrap


def skewed(users: int, columns: int, seed: int) -> np.ndarray:
    """Return values as NDCG has them: many zeros, the rest up to 1."""
    generator = np.random.default_rng(seed)
    return generator.random((users, columns)) * (generator.random((users, columns)) < 0.3)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_intervals_are_scipys(confidence: float) -> None:
    values = skewed(60, 2, seed=1)
    found = Bootstrap(confidence, 20_000, 3).intervals(values)
    for column, own in zip(values.T, found, strict=True):
        theirs = stats.bootstrap(
            (column,), np.mean, n_resamples=20_000, confidence_level=confidence, method="percentile", rng=5
        ).confidence_interval
        # two draws of 20,000 resamples differ by about a fiftieth of the standard error
        np.testing.assert_allclose(own, theirs, atol=0.06 * column.std() / np.sqrt(60))


def test_an_interval_of_differences_is_scipys_paired_one() -> None:
    own, other = skewed(80, 2, seed=2).T
    (found,) = Bootstrap(0.95, 20_000, 3).intervals((own - other)[:, None])
    theirs = stats.bootstrap(
        (own, other),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        method="percentile",
        rng=5,
    ).confidence_interval
    np.testing.assert_allclose(found, theirs, atol=0.06 * (own - other).std() / np.sqrt(80))


def test_of_many_users_an_interval_is_the_normal_one() -> None:
    values = skewed(4_000, 1, seed=4)
    (found,) = Bootstrap(0.95, 2_000, 7).intervals(values)
    error = values.std() / np.sqrt(4_000)
    np.testing.assert_allclose(found, values.mean() + error * np.array([-1.96, 1.96]), atol=0.15 * error)


def test_about_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    held = [
        low <= 0.15 <= high
        for low, high in Bootstrap(0.95, 500, 1).intervals(np.hstack([skewed(100, 300, s) for s in (5, 6)]))
    ]
    assert 0.91 <= np.mean(held) <= 0.97


def test_the_same_seed_gives_the_same_interval_and_another_column_does_not_move_it() -> None:
    values = skewed(40, 3, seed=8)
    first = Bootstrap(0.95, 300, 1).intervals(values)
    np.testing.assert_array_equal(first, Bootstrap(0.95, 300, 1).intervals(values))
    np.testing.assert_allclose(first[:1], Bootstrap(0.95, 300, 1).intervals(values[:, :1]))
    assert (first != Bootstrap(0.95, 300, 2).intervals(values)).any()


def test_one_user_says_nothing_of_others() -> None:
    assert Bootstrap(0.95, 100, 1).intervals(np.array([[0.4]])).tolist() == [[0.4, 0.4]]
