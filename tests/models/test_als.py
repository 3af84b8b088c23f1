"""ALS beside implicit's own answers from the same factors: users folded in, lists, and explanations."""

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

from pipeline_tasks.errors import Refused
from pipeline_tasks.models import factors
from pipeline_tasks.models.als import Als, AlsConfig
from pipeline_tasks.models.checkpoint import weights_bytes
from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import Training
from pipeline_tasks.ranking.blocks import rank_users
from tests.models.worlds import checkerboard, colours, histories

USERS, ITEMS = 70, 40
CONFIG = AlsConfig(dim=8, alpha=5.0, weights=(0.0, 1.0, 3.0))


def some(seed: int = 1) -> Histories:
    generator = np.random.default_rng(seed)
    rows = [
        generator.choice(np.arange(1, ITEMS + 1), generator.integers(1, 12), replace=False).tolist()
        for _ in range(USERS)
    ]
    return histories(rows, types=2)


def peer(model: Als) -> Any:
    """Return implicit's model with the same item factors."""
    found = AlternatingLeastSquares(
        factors=CONFIG.dim, regularization=CONFIG.regularization, num_threads=1, random_state=0
    )
    found.item_factors = model.item_vectors().numpy()
    found.user_factors = np.zeros((USERS, CONFIG.dim), np.float32)
    return found


def confidences(known: Histories) -> csr_matrix:
    weights = 1 + CONFIG.alpha * np.asarray(CONFIG.weights)[known.types]
    return csr_matrix((weights.astype(np.float32), known.items, known.offsets), shape=(USERS, ITEMS + 1))


@pytest.fixture(scope="module")
def model() -> Als:
    return Als.fit(some(), colours(ITEMS), CONFIG, Training(seed=2))


@pytest.mark.parametrize("cells", [1, 1 << 22])
def test_users_are_folded_in_as_implicit_does(
    model: Als, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factors, "CELLS_AT_ONCE", cells)
    later = some(2)
    expected = peer(model).recalculate_user(np.arange(USERS), confidences(later))
    np.testing.assert_allclose(model.encode(later).numpy(), expected, rtol=1e-3, atol=1e-4)


def test_lists_are_those_of_implicit(model: Als) -> None:
    later, own = some(2), peer(model)
    ids, scores = own.recommend(
        np.arange(USERS), confidences(later), N=10, filter_already_liked_items=True, recalculate_user=True
    )
    everything = np.ones(ITEMS + 1, dtype=bool)
    ranked = next(iter(rank_users(model, later, 10, everything, exclude_seen=True)))
    np.testing.assert_allclose(ranked.scores, scores, rtol=1e-3, atol=1e-4)
    assert np.mean(ranked.items == ids) > 0.99  # all but what lies closer than the rounding


def test_reasons_are_implicits_explanations(model: Als) -> None:
    later, own = some(2), peer(model)
    items = model.score(later).topk(3).indices.numpy().astype(np.int32)
    reasons = model.reasons(later, items)
    for row in range(USERS):
        for item, event in zip(items[row], reasons[row], strict=True):
            _, best, _ = own.explain(row, confidences(later), int(item), N=1)
            assert later.items[event] == best[0][0]


def test_the_same_bytes_come_out_again_whatever_the_threads() -> None:
    known, threads = some(), torch.get_num_threads()
    try:
        found = []
        for number in (1, 2, 2, 2):
            torch.set_num_threads(number)
            found.append(
                weights_bytes(Als.fit(known, colours(ITEMS), CONFIG, Training(seed=2)).state().tensors)
            )
    finally:
        torch.set_num_threads(threads)
    assert len(set(found)) == 1


def test_another_seed_gives_other_factors(model: Als) -> None:
    other = Als.fit(some(), colours(ITEMS), CONFIG, Training(seed=3))
    assert not torch.allclose(other.item_vectors(), model.item_vectors())


def test_a_warm_start_is_near_the_end_after_one_iteration() -> None:
    known, config = checkerboard(USERS, ITEMS), replace(CONFIG, weights=(0.0, 1.0))
    end = Als.fit(known, colours(ITEMS), replace(config, iterations=50), Training(seed=1))
    once = replace(config, iterations=1)
    warm = Als.fit(known, colours(ITEMS), once, Training(seed=9, previous=end.state()))
    cold = Als.fit(known, colours(ITEMS), once, Training(seed=9))
    distance = [float((other.score(known) - end.score(known))[:, 1:].abs().max()) for other in (warm, cold)]
    assert distance[0] < 0.02 < distance[1]


def test_a_missing_package_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.raises(Refused, match=r"als needs a package .* \(pip install implicit"):
        Als.fit(some(), colours(ITEMS), CONFIG, Training())
