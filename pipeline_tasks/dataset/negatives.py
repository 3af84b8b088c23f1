"""Items that a user was not interested in, drawn for each positive example: arrays in, arrays out."""

import numpy as np
from numpy.typing import NDArray

# Popularity to this power: the exponent of word2vec's negative sampling (Mikolov et al. 2013).
SMOOTHING = 0.75
ROUNDS = 20


def draw_negatives(
    users: NDArray[np.int32],
    times: NDArray[np.int64],
    seen: NDArray[np.int64],
    counts: NDArray[np.int64],
    first_seen: NDArray[np.int64],
    each: int,
    generator: np.random.Generator,
) -> NDArray[np.int32]:
    """Return (positives, each) item indices; 0 where a user has had nearly everything.

    `users` and `times` are the positives'; `counts` and `first_seen` are by item index (place 0 is padding).
    An item is drawn by its smoothed popularity, among those that had been seen by the positive's time (one
    that came later would be told by its missing features), never one that the user has (`seen` holds the
    sorted `pair_keys`), and once a positive.
    """
    n_items = len(counts)
    cumulative = np.cumsum(_shares(counts))
    drawn = np.zeros((len(users), each), np.int32)
    for _ in range(ROUNDS):
        rows, places = np.nonzero(drawn == 0)
        if not len(rows) or cumulative[-1] == 0:
            break
        items = np.searchsorted(cumulative, generator.random(len(rows)) * cumulative[-1], side="right")
        items = np.minimum(items, n_items - 1).astype(np.int32)
        fit = (first_seen[items] <= times[rows]) & ~_contains(seen, pair_keys(users[rows], items, n_items))
        drawn[rows[fit], places[fit]] = items[fit]
        drawn[_repeated(drawn)] = 0
    return drawn


def log_expected(counts: NDArray[np.int64], each: int) -> NDArray[np.float32]:
    """Return by item index the logarithm of how often it is expected among `each` drawn items, -inf for padding."""
    with np.errstate(divide="ignore"):
        return np.log(each * _shares(counts)).astype(np.float32)


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = np.power(counts + 1.0, SMOOTHING, dtype=np.float64)
    weights[0] = 0.0
    weights /= max(weights.sum(), 1.0)
    return weights


def pair_keys(users: NDArray[np.int32], items: NDArray[np.int32], n_items: int) -> NDArray[np.int64]:
    """Return one number for each (user, item), ordered as the pairs are."""
    return users.astype(np.int64) * n_items + items


def _contains(ordered: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not len(ordered):
        return np.zeros(len(values), bool)
    places = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    found: NDArray[np.bool_] = ordered[places] == values
    return found


def _repeated(drawn: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Say of each place whether its row holds the same item further left."""
    order = np.argsort(drawn, axis=1, kind="stable")
    ordered = np.take_along_axis(drawn, order, axis=1)
    repeats = np.zeros(drawn.shape, bool)
    np.put_along_axis(repeats, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return repeats
