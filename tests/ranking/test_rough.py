"""Lists by rough scores are those by exact ones, whatever rounding does to the order of what lies close together."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline_tasks.models.data import Histories
from pipeline_tasks.ranking import rough, shelf
from pipeline_tasks.ranking.blocks import rank_users

USERS, ITEMS, DIM, K = 70, 900, 24, 6


class Vectors:
    """A model that is its vectors."""

    def __init__(self, users: Tensor, items: Tensor) -> None:
        self.users, self.items = users, torch.cat([torch.zeros(1, items.shape[1]), items])

    def encode(self, histories: Histories) -> Tensor:
        return self.users[torch.from_numpy(histories.users).long()]

    def item_vectors(self) -> Tensor:
        return self.items


def vectors_of(kind: str) -> Vectors:
    generator = torch.Generator().manual_seed(len(kind))
    users, items = (torch.randn(n, DIM, generator=generator) for n in (USERS, ITEMS))
    if kind == "long tailed":  # a few items are far longer than the others
        items *= torch.exp(2 * torch.randn(ITEMS, 1, generator=generator))
    elif kind == "clustered":  # most items differ by less than bfloat16 tells
        items = items[:30].repeat(ITEMS // 30, 1) * (1 + 1e-4 * torch.rand(ITEMS, 1, generator=generator))
    elif kind == "negative":
        users, items = users.abs(), -items.abs()
    elif kind == "nobody":
        users[::2] = 0
    return Vectors(users, items)


def seen() -> Histories:
    generator = np.random.default_rng(5)
    items = generator.integers(1, ITEMS + 1, (USERS, 20)).astype(np.int32)
    return Histories(
        np.arange(USERS, dtype=np.int32),
        np.arange(USERS + 1, dtype=np.int64) * 20,
        items.ravel(),
        np.ones(items.size, np.int8),
        np.zeros(items.size, np.int64),
    )


def ranked(model: Vectors) -> tuple[np.ndarray, np.ndarray]:
    allowed = np.ones(ITEMS + 1, dtype=bool)
    allowed[7:60:7] = False
    found = list(rank_users(model, seen(), K, allowed, exclude_seen=True, users_a_block=32))  # type: ignore[arg-type]
    return np.concatenate([part.items for part in found]), np.concatenate([part.scores for part in found])


@pytest.fixture
def roughly(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Go by rough scores on every processor and however few users they are sure of; gives whom they were sure of."""
    said: list[Tensor] = []
    sure = rough.shown
    monkeypatch.setattr(shelf, "pays", lambda: True)
    monkeypatch.setattr(shelf, "SURE_ENOUGH", 0.0)
    monkeypatch.setattr(shelf, "ITEMS_A_CANDIDATE", 1)
    monkeypatch.setattr(shelf, "shown", lambda *args: said.append(sure(*args)) or said[-1])
    return said


@pytest.mark.parametrize("kind", ["plain", "long tailed", "clustered", "negative", "nobody"])
def test_lists_are_those_of_exact_scores(
    kind: str, roughly: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = vectors_of(kind)
    items, scores = ranked(model)
    sure = torch.cat(roughly[1:]).float().mean()  # the first is the look at whether it pays
    assert sure > 0.5 if kind == "plain" else sure < 1
    monkeypatch.undo()
    monkeypatch.setattr(shelf, "pays", lambda: False)
    exact_items, exact_scores = ranked(model)
    np.testing.assert_allclose(scores, exact_scores, rtol=1e-4, atol=1e-4)
    different = items != exact_items  # by what sums in another order differ
    assert different.mean() < (0.2 if kind == "clustered" else 0.01)


def test_rough_scores_are_off_by_no_more_than_is_said() -> None:
    for kind in ("plain", "long tailed", "clustered", "negative"):
        model = vectors_of(kind)
        items = rough.RoughItems.of(model.items)
        found = (model.users.bfloat16() @ items.vectors.T).float()
        exact = model.users.double() @ model.items.double().T
        bound = items.error(model.users)[:, None] + rough.OUTPUT_ROUNDING * found.abs()
        assert ((found - exact).abs() <= bound).all()
        # and is no idle bound: twice as much would be too much
        assert ((found - exact).abs() > bound / 20).any()


def test_a_processor_without_bfloat16_goes_by_exact_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})
    assert not rough.pays()
