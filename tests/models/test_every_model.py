"""What every model must do: learn a board whose answer is known, come back from disk, grow, explain itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pipeline_tasks.models.checkpoint import config_bytes, read_state, weights_bytes
from pipeline_tasks.models.data import Catalogue
from pipeline_tasks.models.interface import NO_REASON, EmbeddingModel, Model, Training
from pipeline_tasks.ranking.blocks import rank_similar, rank_users
from tests.models.worlds import CONFIGS, DAY, checkerboard, colours, fitted, histories

USERS, ITEMS = 80, 24
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
PERSONAL = [name for name in CONFIGS if name != "popular"]


@pytest.fixture(scope="module")
def model_of() -> Callable[[str, str], Model]:
    """Return a function that gives each model, fitted on the board once a device."""
    held: dict[tuple[str, str], Model] = {}

    def get(name: str, device: str) -> Model:
        if (name, device) not in held:
            held[name, device] = fitted(
                name, checkerboard(USERS, ITEMS), colours(ITEMS), torch.device(device)
            )
        return held[name, device]

    return get


def best(model: Any, rows: list[list[int]], k: int, items: int = ITEMS) -> list[list[int]]:
    everything = np.ones(items + 1, dtype=bool)
    blocks = rank_users(model, histories(rows), k, everything, exclude_seen=True)
    return [row.tolist() for block in blocks for row in block.items]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", PERSONAL)
def test_it_recommends_what_is_missing_of_the_users_colour(
    name: str, device: str, model_of: Callable[[str, str], Model]
) -> None:
    known = checkerboard(USERS, ITEMS)
    everything = np.ones(ITEMS + 1, dtype=bool)
    lists = next(iter(rank_users(model_of(name, device), known, 2, everything, exclude_seen=True))).items
    for user, row in enumerate(lists.tolist(), start=1):
        own = set(known.rows(np.array([user - 1])).items.tolist())
        missing = set(range(1 if user % 2 else 2, ITEMS + 1, 2)) - own
        assert set(row) == missing, f"user {user}"


@pytest.mark.parametrize("device", DEVICES)
def test_popular_gives_everybody_the_most_popular(device: str) -> None:
    rows = [[1, 2], [2, 3], [2, 3], [4]]
    model = fitted("popular", histories(rows), colours(5), torch.device(device))
    assert best(model, [[5], [2]], 3, items=5) == [[2, 3, 1], [3, 1, 4]]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", CONFIGS)
def test_it_comes_back_from_its_two_files(
    name: str, device: str, model_of: Callable[[str, str], Model]
) -> None:
    model = model_of(name, device)
    state = model.state()
    again = read_state(weights_bytes(state.tensors), config_bytes(state.facts))
    restored = type(model).from_state(again, torch.device(device))
    known = checkerboard(10, ITEMS)
    torch.testing.assert_close(restored.score(known), model.score(known), rtol=0, atol=0)
    assert weights_bytes(restored.state().tensors) == weights_bytes(state.tensors)
    assert config_bytes(restored.state().facts) == config_bytes(state.facts)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_ranks_items_that_came_after_the_fit(name: str, model_of: Callable[[str, str], Model]) -> None:
    model, known = model_of(name, "cpu"), checkerboard(6, ITEMS)
    grown = colours(ITEMS + 4)
    larger = model.at(Catalogue(np.concatenate([colours(ITEMS).content, grown.content[-4:]])))
    scores = larger.score(known)
    assert scores.shape == (6, ITEMS + 5)
    torch.testing.assert_close(scores[:, : ITEMS + 1], model.score(known))
    assert torch.isfinite(scores).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_scores_do_not_depend_on_who_else_is_scored(name: str, model_of: Callable[[str, str], Model]) -> None:
    model = model_of(name, "cpu")
    rows = [[1, 3, 5], [2], [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24], [7, 9]]
    together = model.score(histories(rows))
    for number, row in enumerate(rows):
        torch.testing.assert_close(model.score(histories([row]))[0], together[number])


@pytest.mark.parametrize("name", CONFIGS)
def test_a_user_without_events_gets_finite_scores(name: str, model_of: Callable[[str, str], Model]) -> None:
    assert torch.isfinite(model_of(name, "cpu").score(histories([[], [1]]))).all()


@pytest.mark.parametrize("name", PERSONAL)
def test_reasons_are_events_of_the_users_own(name: str, model_of: Callable[[str, str], Model]) -> None:
    known = histories([[1, 3, 5], [], [2, 4]])
    items = np.array([[7, 9, 0], [1, 2, 3], [6, 8, 10]], dtype=np.int32)
    reasons = model_of(name, "cpu").reasons(known, items)
    assert set(reasons[0, :2].tolist()) <= {0, 1, 2}
    assert reasons[0, 2] == NO_REASON
    assert (reasons[1] == NO_REASON).all()
    assert set(reasons[2].tolist()) <= {3, 4}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", PERSONAL)
def test_neighbours_are_of_the_same_colour(
    name: str, device: str, model_of: Callable[[str, str], Model]
) -> None:
    everything = np.ones(ITEMS + 1, dtype=bool)
    items = np.arange(1, ITEMS + 1)
    for block in rank_similar(model_of(name, device), items, 5, everything):
        assert ((block.items % 2) == (items % 2)[:, None]).all()
        assert not (block.items == items[:, None]).any()


@pytest.mark.parametrize("name", CONFIGS)
def test_fitting_again_gives_the_same_bytes(name: str) -> None:
    known, items = checkerboard(20, ITEMS), colours(ITEMS)
    first, second = (fitted(name, known, items).state() for _ in range(2))
    assert weights_bytes(first.tensors) == weights_bytes(second.tensors)
    assert config_bytes(first.facts) == config_bytes(second.facts)


def test_only_models_with_vectors_are_ranked_by_blocks_of_items(
    model_of: Callable[[str, str], Model],
) -> None:
    kinds = {name: isinstance(model_of(name, "cpu"), EmbeddingModel) for name in CONFIGS}
    assert {name for name, by_vectors in kinds.items() if not by_vectors} == {"popular", "item_knn"}


def test_popular_counts_the_last_days_and_more_when_they_are_empty() -> None:
    kind, config = CONFIGS["popular"]
    old = histories([[1, 1, 1, 2]], until=80 * DAY)
    new = histories([[3, 3, 2]], until=100 * DAY)
    both = type(old)(
        np.array([1, 2], dtype=np.int32),
        np.array([0, 4, 7]),
        np.concatenate([old.items, new.items]),
        np.concatenate([old.types, new.types]),
        np.concatenate([old.times, new.times]),
    )
    order = best(kind.fit(both, colours(4), config, Training()), [[]], 4, items=4)
    assert order == [[3, 2, 1, 4]]
    order = best(kind.fit(old, colours(4), config, Training()), [[]], 4, items=4)
    assert order == [[1, 2, 3, 4]]
