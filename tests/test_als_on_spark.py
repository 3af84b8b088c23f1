"""ALS by Spark ML is the model that implicit's is: the same lists from the same board, users folded in alike."""

from typing import Any

import numpy as np
import pytest
import torch

from pipeline_tasks.als_on_spark import fit_on_spark
from pipeline_tasks.models.als import Als, AlsConfig
from pipeline_tasks.models.checkpoint import config_bytes, weights_bytes
from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import NO_REASON, Training
from pipeline_tasks.ranking.blocks import rank_users
from tests.models.worlds import checkerboard, colours, histories

USERS, ITEMS = 80, 24


@pytest.fixture
def on_spark(spark: Any, make_settings: Any) -> Any:
    def fit(known: Histories, config: AlsConfig, items: int = ITEMS) -> Als:
        return fit_on_spark(make_settings(), known, colours(items), config, Training(seed=3))

    return fit


def lists(model: Als, known: Histories, k: int, items: int = ITEMS) -> np.ndarray[Any, Any]:
    everything = np.ones(items + 1, dtype=bool)
    return next(iter(rank_users(model, known, k, everything, exclude_seen=True))).items


def test_both_recommend_what_is_missing_of_the_users_colour(on_spark: Any) -> None:
    known, config = checkerboard(USERS, ITEMS), AlsConfig(dim=2)
    ours = on_spark(known, config)
    theirs = Als.fit(known, colours(ITEMS), config, Training(seed=3))
    found = [[set(row) for row in lists(model, known, 2).tolist()] for model in (ours, theirs)]
    assert found[0] == found[1]
    for user, row in enumerate(found[0], start=1):
        own = set(known.rows(np.array([user - 1])).items.tolist())
        assert row == set(range(1 if user % 2 else 2, ITEMS + 1, 2)) - own


def neighbourhoods(users: int, items: int) -> Histories:
    """Return users whose items lie around a place of their own, with events of two types."""
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(users):
        around = generator.normal(generator.integers(1, items + 1), 4, 12).round().astype(int)
        rows.append(np.unique(around[(around > 0) & (around <= items)]).tolist())
    return histories(rows, types=2)


def test_with_heavier_events_and_more_factors_both_agree_as_much_as_two_seeds_of_one(on_spark: Any) -> None:
    known, config = neighbourhoods(150, 60), AlsConfig(dim=8, weights=(0.0, 1.0, 3.0))
    ours = lists(on_spark(known, config, 60), known, 5, 60)
    first, second = (
        lists(Als.fit(known, colours(60), config, Training(seed=seed)), known, 5, 60) for seed in (3, 4)
    )
    assert agreement(ours, first) > 0.9 * agreement(first, second) > 0.5


def agreement(some: np.ndarray[Any, Any], others: np.ndarray[Any, Any]) -> float:
    """Return the mean share of places that hold what the other list holds too."""
    return float(np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(some, others, strict=True)]))


def test_it_is_stored_grows_and_explains_itself_as_ever(on_spark: Any) -> None:
    known, config = checkerboard(USERS, ITEMS - 2), AlsConfig(dim=2)
    model = on_spark(known, config)  # the last two items were touched by nobody
    state, again = model.state(), on_spark(known, config).state()
    assert weights_bytes(state.tensors) == weights_bytes(again.tensors)
    assert config_bytes(state.facts) == config_bytes(
        Als.fit(known, colours(ITEMS), config, Training()).state().facts
    )
    assert not model.item_vectors()[[0, ITEMS - 1, ITEMS]].any()
    larger = Als.from_state(state, torch.device("cpu")).at(colours(ITEMS + 1))
    scores = larger.score(known)
    assert torch.isneginf(scores[:, ITEMS - 1 :]).all()
    assert torch.isfinite(scores[:, 1 : ITEMS - 1]).all()
    reasons = larger.reasons(histories([[1, 3, 5], []]), np.array([[7, 9], [1, 2]], dtype=np.int32))
    assert set(reasons[0].tolist()) <= {0, 1, 2}
    assert (reasons[1] == NO_REASON).all()


def test_without_a_pair_nothing_is_known_and_no_session_is_asked_for(make_settings: Any) -> None:
    nowhere = make_settings(spark={"master": "spark://127.0.0.1:9"})
    known = histories([[1, 2]])
    model = fit_on_spark(nowhere, known, colours(3), AlsConfig(dim=4, weights=(0.0, 0.0)), Training())
    assert not model.item_vectors().any()
    assert model.item_vectors().shape == (4, 4)
