"""EASE against the paper's closed form in numpy; its limit; what it says of an item."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline_tasks.errors import Refused
from pipeline_tasks.models import ease
from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.ease import Ease, EaseConfig
from pipeline_tasks.models.interface import Training
from tests.models.worlds import checkerboard, colours, histories

USERS, ITEMS = 60, 30
CONFIG = EaseConfig(l2=20.0, weights=(0.0, 1.0, 3.0))


def some(seed: int = 1) -> Histories:
    generator = np.random.default_rng(seed)
    rows = [
        generator.choice(np.arange(1, ITEMS - 1), generator.integers(1, 12)).tolist() for _ in range(USERS)
    ]
    return histories(rows, types=2)


def matrix(known: Histories) -> NDArray[np.float64]:
    """Return users times items, each cell the heaviest weight, event by event."""
    found = np.zeros((len(known), ITEMS + 1))
    for row, item, kind in zip(known.row_of_event, known.items, known.types, strict=True):
        found[row, item] = max(found[row, item], CONFIG.weights[kind])
    return found


def closed_form(x: NDArray[np.float64]) -> NDArray[np.float64]:
    inverse = np.linalg.inv(x.T @ x + CONFIG.l2 * np.eye(x.shape[1]))
    found = -inverse / np.diag(inverse)
    np.fill_diagonal(found, 0)
    return found


@pytest.mark.parametrize("pairs", [50, 1 << 22])
def test_scores_are_those_of_the_papers_closed_form(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "PAIRS_AT_ONCE", pairs)
    known, asked = some(), some(2)
    model = Ease.fit(known, colours(ITEMS), CONFIG, Training())
    expected = matrix(asked) @ closed_form(matrix(known))
    touched = matrix(known).any(0)
    found = model.score(asked).numpy()
    assert np.isneginf(found[:, ~touched]).all()
    positive = (expected > 1e-4) & touched
    np.testing.assert_allclose(found[positive], expected[positive], rtol=1e-3, atol=1e-5)
    assert np.isneginf(found[expected < -1e-4]).all()


def test_the_reason_is_the_item_that_adds_most() -> None:
    known, asked = some(), some(2)
    model = Ease.fit(known, colours(ITEMS), CONFIG, Training())
    links, x = closed_form(matrix(known)), matrix(asked)
    scores = model.score(asked)
    items = scores.topk(3).indices.numpy().astype(np.int32)
    reasons = model.reasons(asked, items)
    for row in range(USERS):
        for item, event in zip(items[row], reasons[row], strict=True):
            assert asked.row_of_event[event] == row
            adds = x[row] * links[:, item]
            assert adds[asked.items[event]] == pytest.approx(adds.max(), rel=1e-3)


def test_neighbours_are_the_rows_of_the_matrix() -> None:
    known = some()
    found = Ease.fit(known, colours(ITEMS), CONFIG, Training()).similar(np.array([4])).numpy()[0]
    expected = closed_form(matrix(known))[4]
    np.testing.assert_allclose(found[expected > 1e-4], expected[expected > 1e-4], rtol=1e-3, atol=1e-5)
    assert np.isneginf(found[expected < -1e-4]).all()
    assert np.isneginf(found[4])


def test_more_items_than_the_limit_are_refused_with_what_to_do() -> None:
    config = replace(CONFIG, max_items=ITEMS - 3)
    known = checkerboard(40, ITEMS)
    with pytest.raises(Refused, match=r"30 items have events \(at most 27\) \(train another model, or raise"):
        Ease.fit(known, colours(ITEMS), config, Training())
    only_some = histories([[1, 2, 3]])  # what has no events costs nothing
    Ease.fit(only_some, colours(ITEMS), config, Training())
