"""What every model must do: learn a board whose answer is known, come back from disk, grow, explain itself."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline_tasks.models.checkpoint import config_bytes, read_state, weights_bytes
from pipeline_tasks.models.data import Catalogue
from pipeline_tasks.models.interface import NO_REASON, EmbeddingModel, Model, Training
from pipeline_tasks.models.schedule import Progress
from pipeline_tasks.ranking.blocks import rank_similar, rank_users
from tests.models.worlds import (
    BY_EVENTS,
    CONFIGS,
    DAY,
    assert_scores,
    best,
    checkerboard,
    colours,
    fitted,
    histories,
)

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
    exact = {"rtol": 0, "atol": 0} if device == "cpu" else {}  # a GPU adds up in any order
    torch.testing.assert_close(restored.score(known), model.score(known), **exact)
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
    assert_scores(scores)
    if name in BY_EVENTS:
        assert torch.isneginf(scores[:, ITEMS + 1 :]).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_scores_do_not_depend_on_who_else_is_scored(name: str, model_of: Callable[[str, str], Model]) -> None:
    model = model_of(name, "cpu")
    rows = [[1, 3, 5], [2], [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24], [7, 9]]
    known = histories(rows)
    together = model.score(known)
    for number in range(len(rows)):
        torch.testing.assert_close(model.score(known.rows(np.array([number])))[0], together[number])


@pytest.mark.parametrize("name", CONFIGS)
def test_scores_are_numbers_or_never(name: str, model_of: Callable[[str, str], Model]) -> None:
    assert_scores(model_of(name, "cpu").score(histories([[], [1]])))


@pytest.mark.parametrize("name", PERSONAL)
def test_a_user_without_events_is_told_nothing(name: str, model_of: Callable[[str, str], Model]) -> None:
    lists = best(model_of(name, "cpu"), [[], [1, 3, 5], []], 4)
    assert [lists[0], lists[2]] == [[0] * 4] * 2
    assert all(lists[1])


@pytest.mark.parametrize("name", BY_EVENTS)
def test_what_came_after_the_fit_is_not_ranked_and_says_nothing(
    name: str, model_of: Callable[[str, str], Model]
) -> None:
    model = model_of(name, "cpu")
    larger = model.at(Catalogue(np.concatenate([colours(ITEMS).content, colours(2).content[1:]])))
    new = [ITEMS + 1, ITEMS + 2]
    lists = best(larger, [[1, 3, 5], [*new, 1, 3, 5], new], ITEMS + 2, items=ITEMS + 2)
    assert not set(new) & {item for row in lists for item in row}
    assert lists[0] == lists[1] or name == "ncf"  # a mean over more items moves nothing else
    if name != "popular":
        assert not any(lists[2])
        similar = larger.similar(np.array([ITEMS + 1, 1]))
        assert torch.isneginf(similar[0]).all()
        assert torch.isneginf(similar[1, ITEMS + 1 :]).all()
        assert (larger.reasons(histories([new]), np.array([[1, 2]], dtype=np.int32)) == NO_REASON).all()


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
    assert {name for name, by_vectors in kinds.items() if not by_vectors} == {
        "popular",
        "item_knn",
        "ease",
        "ncf",
    }


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
    assert order == [[3, 2, 1, 0]]  # of item 4 nothing is known
    order = best(kind.fit(old, colours(4), config, Training()), [[]], 4, items=4)
    assert order == [[1, 2, 0, 0]]


@pytest.mark.parametrize("name", ["als", "mf", "ncf", "transformer", "gru4rec", "caser", "youtube_dnn"])
def test_a_warm_start_goes_on_from_an_earlier_model_where_the_vocabulary_has_grown(name: str) -> None:
    earlier = fitted(name, checkerboard(40, ITEMS - 4), colours(ITEMS - 4)).state()
    kind, config = CONFIGS[name]
    nothing = {"iterations": 0} if name == "als" else {"epochs": 1, "learning_rate": 1e-9}
    config = replace(config, **nothing)  # what it knows it has from before
    known, items = checkerboard(60, ITEMS), colours(ITEMS)
    cold = kind.fit(known, items, config, Training(seed=5))
    warm = kind.fit(known, items, config, Training(seed=5, previous=earlier))
    assert own_colour(warm) > 0.9 > own_colour(cold)
    assert len(warm.similar(np.array([1]))[0]) == ITEMS + 1


@pytest.mark.parametrize("name", ["mf", "ncf", "transformer", "gru4rec", "caser", "youtube_dnn"])
def test_a_warm_start_that_no_epoch_betters_knows_what_the_earlier_model_knew(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = fitted(name, checkerboard(40, ITEMS - 4), colours(ITEMS - 4))
    judge = Progress.judge
    monkeypatch.setattr(Progress, "judge", lambda progress, _: judge(progress, -1.0))
    kind, config = CONFIGS[name]
    known, items = checkerboard(60, ITEMS), colours(ITEMS)
    warm = kind.fit(known, items, replace(config, epochs=2), Training(seed=5, previous=earlier.state()))
    assert warm.facts["training"]["qualities"] == [-1.0, -1.0]
    torch.testing.assert_close(warm.score(known), earlier.at(items).score(known))


@pytest.mark.parametrize("name", ["als", "mf", "ncf"])
def test_a_model_of_another_width_is_not_gone_on_from(name: str) -> None:
    kind, config = CONFIGS[name]
    known, items = checkerboard(20, ITEMS), colours(ITEMS)
    earlier = kind.fit(known, items, replace(config, dim=2 * config.dim), Training()).state()
    found, cold = (
        kind.fit(known, items, config, Training(previous=each)).state() for each in (earlier, None)
    )
    assert weights_bytes(found.tensors) == weights_bytes(cold.tensors)


def own_colour(model: Any) -> float:
    """Return the share of the first six places that are of the user's own colour."""
    firsts = range(1, 9)
    lists = best(model, [[first, first + 2, first + 4] for first in firsts], 6)
    return float(
        np.mean([item % 2 == first % 2 for first, row in zip(firsts, lists, strict=True) for item in row])
    )


@pytest.mark.parametrize("name", ["als", "ease", "mf", "ncf", "transformer"])
def test_fitting_says_how_far_it_is(name: str) -> None:
    said: list[str] = []
    kind, config = CONFIGS[name]
    kind.fit(checkerboard(20, ITEMS), colours(ITEMS), config, Training(say=said.append))
    assert all(" s" in line for line in said)
    assert len(said) >= 2
