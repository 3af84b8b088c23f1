"""Ranking in blocks gives what ranking everything at once gives, ties and masks included."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.data import Histories
from pipeline_tasks.ranking import blocks
from pipeline_tasks.ranking.blocks import rank_similar, rank_users

USERS, ITEMS, DIM = 37, 101, 6


class Vectors:
    """An embedding model of small whole numbers, so that sums are exact and ties are many."""

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.users = torch.randint(-2, 3, (USERS + 1, DIM), generator=generator).float()
        self.items = torch.randint(-2, 3, (ITEMS + 1, DIM), generator=generator).float()

    def encode(self, histories: Histories) -> Tensor:
        return self.users[torch.from_numpy(histories.users).long()]

    def item_vectors(self) -> Tensor:
        return self.items

    def score(self, histories: Histories) -> Tensor:
        return self.encode(histories) @ self.items.T

    def similar(self, items: NDArray[np.int64]) -> Tensor:
        return self.items[torch.from_numpy(items)] @ self.items.T


class Full:
    """The same scores from a model that has no vectors."""

    def __init__(self, model: Vectors) -> None:
        self.score = model.score


def histories() -> Histories:
    generator = np.random.default_rng(5)
    lengths = generator.integers(0, 60, USERS)
    events = int(lengths.sum())
    return Histories(
        np.arange(1, USERS + 1, dtype=np.int32),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        generator.integers(1, ITEMS + 1, events).astype(np.int32),
        np.ones(events, dtype=np.int8),
        np.zeros(events, dtype=np.int64),
    )


def allowed() -> NDArray[np.bool_]:
    return np.random.default_rng(6).random(ITEMS + 1) < 0.8


def naive(scores: Tensor, known: Histories, k: int, *, exclude_seen: bool) -> list[list[int]]:
    """Sort every user's whole catalogue by score and item."""
    lists = []
    for row, own in enumerate(scores.tolist()):
        seen = set(known.rows(np.array([row])).items.tolist()) if exclude_seen else set()
        eligible = [i for i in range(1, ITEMS + 1) if allowed()[i] and i not in seen]
        best = sorted(eligible, key=lambda item: (-own[item], item))[:k]
        lists.append(best + [0] * (k - len(best)))
    return lists


@pytest.mark.parametrize("k", [1, 10, 90])
@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize(("users_a_block", "items_a_block"), [(1000, 1000), (8, 7), (1, 1), (5, 40)])
@pytest.mark.parametrize("kind", ["vectors", "full"])
def test_blocks_give_what_ranking_at_once_gives(
    kind: str, users_a_block: int, items_a_block: int, exclude_seen: bool, k: int
) -> None:
    vectors, known = Vectors(1), histories()
    model: Any = vectors if kind == "vectors" else Full(vectors)
    blocks = list(
        rank_users(
            model,
            known,
            k,
            allowed(),
            exclude_seen=exclude_seen,
            users_a_block=users_a_block,
            items_a_block=items_a_block,
        )
    )
    found = np.concatenate([block.items for block in blocks])
    assert found.tolist() == naive(vectors.score(known), known, k, exclude_seen=exclude_seen)
    assert [block.first for block in blocks] == list(range(0, USERS, users_a_block))
    scores = np.concatenate([block.scores for block in blocks])
    expected = vectors.score(known).gather(1, torch.from_numpy(found).long()).numpy()
    np.testing.assert_array_equal(scores[found > 0], expected[found > 0])
    assert np.isneginf(scores[found == 0]).all()


@pytest.mark.parametrize("kind", ["vectors", "full"])
def test_of_what_nothing_is_known_nothing_is_ranked(kind: str) -> None:
    """A vector of zeros, or -inf for a score, is no better than a bad score: it is none."""
    vectors, known = Vectors(1), histories()
    vectors.items[[3, 50]] = 0
    vectors.users[[1, 8]] = 0
    scores = vectors.score(known)
    scores[:, [3, 50]] = -torch.inf
    scores[[0, 7]] = -torch.inf
    full: Any = Full(vectors)
    full.score = lambda block: scores[torch.from_numpy(block.users).long() - 1]
    model: Any = vectors if kind == "vectors" else full
    everything = np.ones(ITEMS + 1, dtype=bool)
    blocks = rank_users(model, known, ITEMS, everything, exclude_seen=False, users_a_block=5, items_a_block=9)
    found = np.concatenate([block.items for block in blocks])
    assert not found[[0, 7]].any()
    others = np.setdiff1d(np.arange(USERS), [0, 7])
    assert (np.sort(found[others], 1)[:, 2:] == np.setdiff1d(np.arange(1, ITEMS + 1), [3, 50])).all()


def test_an_item_is_not_its_own_neighbour() -> None:
    model, items = Vectors(2), np.arange(1, ITEMS + 1)
    everything = np.ones(ITEMS + 1, dtype=bool)
    blocks = list(rank_similar(model, items, 5, everything, items_a_block=13))  # type: ignore[arg-type]
    found = np.concatenate([block.items for block in blocks])
    assert not (found == items[:, None]).any()
    own = (model.items[items[40]] @ model.items.T).tolist()
    best = sorted((i for i in items.tolist() if i != items[40]), key=lambda item: (-own[item], item))
    assert found[40].tolist() == best[:5]


def test_memory_does_not_hold_users_times_items() -> None:
    """Users are encoded, and scored, as many at a time as asked for."""
    largest = 0

    class Watched(Vectors):
        def encode(self, histories: Histories) -> Tensor:
            nonlocal largest
            largest = max(largest, len(histories))
            return super().encode(histories)

    for _ in rank_users(Watched(1), histories(), 3, allowed(), exclude_seen=True, users_a_block=4):  # type: ignore[arg-type]
        pass
    assert largest == 4


@pytest.mark.parametrize(("cells", "users_at_once"), [(1 << 25, 30), (11 * (ITEMS + 1), 11), (1, 1)])
def test_a_model_without_vectors_scores_fewer_users_at_a_time_where_items_are_many(
    cells: int, users_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "CELLS_AT_ONCE", cells)
    vectors, known, scored = Vectors(1), histories(), []
    model: Any = Full(vectors)
    model.score = lambda block: (scored.append(len(block)), vectors.score(block))[1]
    found = list(rank_users(model, known, 10, allowed(), exclude_seen=True, users_a_block=30))
    assert max(scored) == users_at_once
    assert [len(block.histories) for block in found] == scored  # reasons are asked of as many
    lists = np.concatenate([block.items for block in found]).tolist()
    assert lists == naive(vectors.score(known), known, 10, exclude_seen=True)
