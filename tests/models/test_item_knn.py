"""Item-kNN's neighbours: those of a loop over pairs, equal ones by the smaller item, at no cost of items without events."""

import numpy as np
import pytest
from torch import Tensor

from pipeline_tasks.models import item_knn
from pipeline_tasks.models.data import Catalogue
from pipeline_tasks.models.interface import Training
from pipeline_tasks.models.item_knn import ItemKnn, ItemKnnConfig
from pipeline_tasks.models.tastes import Tastes
from tests.models.worlds import histories

ROWS = [[2, 5, 9], [2, 5], [9, 4, 2], [7], [4, 5, 9, 2]]


def nothing_known(items: int) -> Catalogue:
    return Catalogue(np.zeros((items + 1, 0), np.float32))


def plain(shrinkage: float) -> dict[int, list[tuple[float, int]]]:
    """Return each item's (cosine, item), best first, pair by pair."""
    touched = {item: {user for user, row in enumerate(ROWS) if item in row} for item in (2, 4, 5, 7, 9)}
    found: dict[int, list[tuple[float, int]]] = {}
    for item, users in touched.items():
        common = {other: len(users & theirs) for other, theirs in touched.items() if other != item}
        cosines = [
            (count / np.sqrt(len(users) * len(touched[other])) * count / (count + shrinkage), other)
            for other, count in common.items()
            if count
        ]
        found[item] = sorted(cosines, key=lambda pair: (-pair[0], pair[1]))
    return found


@pytest.mark.parametrize("at_once", [1, 1 << 22])
def test_neighbours_are_those_of_a_loop_over_pairs(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_knn, "PAIRS_AT_ONCE", at_once)
    config = ItemKnnConfig(neighbours=7, shrinkage=1.0)
    model = ItemKnn.fit(histories(ROWS), nothing_known(12), config, Training())
    wanted = plain(config.shrinkage)
    assert model.neighbours.shape == model.weights.shape == (13, 7)
    for item in range(13):
        best = [*wanted.get(item, []), *[(0.0, 0)] * 7][:7]
        assert model.neighbours[item].tolist() == [other for _, other in best]
        np.testing.assert_allclose(model.weights[item], [cosine for cosine, _ in best], rtol=1e-6)


def test_of_equal_neighbours_the_smaller_items_are_kept() -> None:
    rows = [list(range(1, 301))] * 3
    model = ItemKnn.fit(
        histories(rows), nothing_known(300), ItemKnnConfig(neighbours=5, max_history=300), Training()
    )
    assert model.neighbours[1].tolist() == [2, 3, 4, 5, 6]
    assert model.neighbours[300].tolist() == [1, 2, 3, 4, 5]


def test_items_without_events_are_held_against_none(monkeypatch: pytest.MonkeyPatch) -> None:
    among, compared = item_knn._among_known, []

    def counted(tastes: Tastes, items: int, config: ItemKnnConfig) -> tuple[Tensor, Tensor]:
        compared.append(items)
        return among(tastes, items, config)

    monkeypatch.setattr(item_knn, "_among_known", counted)
    model = ItemKnn.fit(histories(ROWS), nothing_known(20_000), ItemKnnConfig(), Training())
    assert compared == [len({item for row in ROWS for item in row})]
    assert model.neighbours.shape == (20_001, 100)


def test_histories_without_events_that_count_leave_no_neighbours() -> None:
    config = ItemKnnConfig(weights=(0.0, 0.0))
    model = ItemKnn.fit(histories(ROWS), nothing_known(12), config, Training())
    assert not model.neighbours.any()
    assert not model.weights.any()
