"""What every model makes of hardly any data: one event a user, one item, or nothing at all."""

import numpy as np
import pytest
import torch

from pipeline_tasks.models.data import Catalogue
from pipeline_tasks.models.interface import NO_REASON
from tests.models.worlds import (
    BY_EVENTS,
    CONFIGS,
    assert_scores,
    best,
    checkerboard,
    colours,
    fitted,
    histories,
)

ITEMS = 24


@pytest.mark.parametrize("name", CONFIGS)
def test_users_with_one_event_alone_give_a_model(name: str) -> None:
    model = fitted(name, histories([[1], [2], [1]]), colours(4))
    assert_scores(model.score(histories([[1], [2], [1, 2]])))
    lists = best(model, [[1], [2], [1, 2]], 4, items=4)
    assert not any(1 in row for row in (lists[0], lists[2]))
    if name in BY_EVENTS:
        assert {item for row in lists for item in row} <= {0, 1, 2}


@pytest.mark.parametrize("name", BY_EVENTS)
def test_an_item_in_no_sequence_is_never_ranked(name: str) -> None:
    model = fitted(name, checkerboard(20, ITEMS), colours(ITEMS + 2))
    lists = best(model, [[1, 3, 5], [2, 4]], ITEMS + 2, items=ITEMS + 2)
    assert not {ITEMS + 1, ITEMS + 2} & {item for row in lists for item in row}
    assert all(row[0] for row in lists)


@pytest.mark.parametrize("name", sorted({*CONFIGS} - {"popular"}))
def test_an_item_without_events_or_content_has_no_score_and_no_neighbours(name: str) -> None:
    nothing = Catalogue(np.zeros((ITEMS + 2, 1), np.float32))
    model = fitted(name, checkerboard(20, ITEMS), nothing)
    assert torch.isneginf(model.score(histories([[1, 3, 5], [2, 4]]))[:, ITEMS + 1]).all()
    alike = model.similar(np.array([1, ITEMS + 1]))
    assert torch.isneginf(alike[1]).all()
    assert torch.isneginf(alike[0, ITEMS + 1])
    assert torch.isfinite(alike[0, 3])


@pytest.mark.parametrize("name", CONFIGS)
def test_a_catalogue_of_one_item_leaves_nothing_to_recommend_who_has_it(name: str) -> None:
    model = fitted(name, histories([[1], [1, 1], []]), colours(1))
    assert best(model, [[1], [1, 1]], 1, items=1) == [[0], [0]]
    assert_scores(model.similar(np.array([1])))


@pytest.mark.parametrize("rows", [[], [[], []]])
@pytest.mark.parametrize("name", CONFIGS)
def test_without_any_event_nothing_is_known(name: str, rows: list[list[int]]) -> None:
    model = fitted(name, histories(rows), colours(5))
    assert_scores(model.score(histories([[1, 2], []])))
    if name in BY_EVENTS:
        assert best(model, [[1, 2], []], 2, items=5) == [[0, 0], [0, 0]]
        assert torch.isneginf(model.similar(np.array([1, 2]))).all()
        reasons = model.reasons(histories([[1, 2]]), np.array([[3]], dtype=np.int32))
        assert reasons.tolist() == [[NO_REASON]]
