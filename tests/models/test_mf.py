"""Matrix factorization against plain numpy: its loss over all pairs, and users who minimize it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import Training
from pipeline_tasks.models.mf import Mf
from pipeline_tasks.models.mf_fitting import Fitting, MfConfig, Network
from pipeline_tasks.models.tastes import tastes_of
from tests.models.worlds import colours, histories

USERS, ITEMS = 40, 25
CONFIG = MfConfig(
    dim=6, learning_rate=0.02, batch_events=50, epochs=5, regularization=0.05, weights=(0.0, 1.0, 3.0)
)


def some(seed: int = 1) -> Histories:
    generator = np.random.default_rng(seed)
    rows = [
        generator.choice(np.arange(1, ITEMS - 1), generator.integers(1, 9), replace=False).tolist()
        for _ in range(USERS)
    ]
    return histories(rows, types=2)


def plain_loss(users: NDArray[np.float64], items: NDArray[np.float64], known: Histories) -> float:
    """Sum, pair by pair, over users and the items that anybody touched; parameters are factors and a bias."""
    loss, touched = 0.0, np.unique(known.items)
    scores = users[:, :-1] @ items[:, :-1].T + users[:, -1:] + items[:, -1]
    for row, item, kind in zip(known.row_of_event, known.items, known.types, strict=True):
        loss += CONFIG.weights[kind] * (1 - scores[row, item]) ** 2
        loss += CONFIG.regularization * ((users[row] ** 2).sum() + (items[item] ** 2).sum())
    return float(loss + CONFIG.zero_weight * (scores[:, touched] ** 2).sum())


def fitting(known: Histories, negatives: int) -> Fitting:
    torch.manual_seed(4)
    network = Network(USERS, ITEMS + 1, CONFIG.dim).double()
    torch.nn.init.normal_(network.items.weight)
    config = replace(CONFIG, negatives=negatives)
    return Fitting(network, tastes_of(known, CONFIG.weights), config, lambda table: None)


def test_the_loss_is_the_sum_over_all_pairs() -> None:
    known = some()
    work = fitting(known, negatives=ITEMS)
    loss = work.loss(np.arange(USERS))
    users, items = (table.weight.detach().numpy() for table in (work.network.users, work.network.items))
    assert loss.item() * len(known.items) == pytest.approx(plain_loss(users, items, known), rel=1e-6)


def test_drawn_zeros_stand_for_all() -> None:
    known = some()
    work, whole = fitting(known, negatives=5), fitting(known, negatives=ITEMS)
    with torch.no_grad():
        drawn = torch.stack([work.loss(np.arange(USERS)) for _ in range(3_000)]).mean()
    torch.testing.assert_close(drawn, whole.loss(np.arange(USERS)).detach(), rtol=0.02, atol=0)


def test_a_user_is_what_minimizes_the_loss() -> None:
    model, later = Mf.fit(some(), colours(ITEMS), CONFIG, Training(seed=1)), some(2)
    items = model.item_vectors().numpy().astype(np.float64)
    touched = items.any(1)
    found = model.score(later).numpy()
    for row in range(USERS):
        own = later.rows(np.array([row]))
        weight = np.asarray(CONFIG.weights)[own.types]
        design = np.concatenate([items[:, :-1], np.ones((ITEMS + 1, 1))], 1)
        pulled = np.concatenate(
            [
                np.sqrt(weight)[:, None] * design[own.items],
                np.sqrt(CONFIG.zero_weight) * design[touched],
                np.sqrt(CONFIG.regularization * len(own.items)) * np.eye(CONFIG.dim + 1),
            ]
        )
        wanted = np.concatenate(
            [
                np.sqrt(weight) * (1 - items[own.items, -1]),
                np.sqrt(CONFIG.zero_weight) * -items[touched, -1],
                np.zeros(CONFIG.dim + 1),
            ]
        )
        user = np.linalg.lstsq(pulled, wanted, rcond=None)[0]
        expected = items[:, :-1] @ user[:-1] + items[:, -1]
        np.testing.assert_allclose(found[row, touched], expected[touched], rtol=1e-3, atol=1e-4)


def test_the_shares_of_the_history_and_of_the_zeros_sum_to_the_score(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Mf.fit(some(), colours(ITEMS), replace(CONFIG, zero_weight=1e-6), Training(seed=1))
    items = np.array([[3, 5]], dtype=np.int32)
    alone = histories([[4]])  # one item alone, and zeros that hardly count: it is the reason for all
    scores = model.score(alone)[0, [3, 5]] - model.item_vectors()[[3, 5], -1]
    reasons = model.reasons(alone, items)[0]
    assert [reason == 0 for reason in reasons] == [score > 0 for score in scores.tolist()]


def test_an_item_that_everybody_has_has_the_larger_bias() -> None:
    rows = [[1, 2 + user % 8] for user in range(60)]
    model = Mf.fit(histories(rows), colours(10), replace(CONFIG, weights=(0.0, 1.0), epochs=30), Training())
    biases = model.item_vectors()[:, -1]
    assert biases[1] > biases[2:].max()
