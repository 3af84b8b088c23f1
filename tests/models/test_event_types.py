"""Event types by name: a fitted model means the same by a type, whatever number a later night gives it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.event_types import renumbered
from pipeline_tasks.models.interface import Model, Training
from tests.models.worlds import CONFIGS, checkerboard, colours

ITEMS = 24
OWN, WANTED = ("view", "cart"), ("cart", "wishlist", "view")
NUMBERS = np.array([0, 3, 1])  # of the own types among the wanted ones
CPU = torch.device("cpu")


def of_types(known: Histories, types: NDArray[np.integer]) -> Histories:
    return replace(known, types=types.astype(np.int8))


def both(name: str) -> tuple[Model, Model, Histories]:
    """Return a model fitted on views and carts, the same renumbered, and histories of the former."""
    kind, config = CONFIGS[name]
    board = checkerboard(30, ITEMS)
    known = of_types(board, 1 + board.items // 2 % 2)
    asked = {"weights": (0.0, 1.0, 3.0)} if hasattr(config, "weights") else {"event_types": 2}
    model = kind.fit(known, colours(ITEMS), replace(config, **asked), Training(seed=3))
    return model, kind.from_state(renumbered(model.state(), OWN, WANTED), CPU), known


@pytest.mark.parametrize("name", CONFIGS)
def test_a_type_means_the_same_by_another_number(name: str) -> None:
    model, again, known = both(name)
    torch.testing.assert_close(again.score(of_types(known, NUMBERS[known.types])), model.score(known))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_type_that_a_model_does_not_know_is_as_padding_is(name: str) -> None:
    model, again, known = both(name)
    unknown = np.arange(len(known.types)) % 3 == 0
    torch.testing.assert_close(
        again.score(of_types(known, np.where(unknown, 2, NUMBERS[known.types]))),
        model.score(of_types(known, np.where(unknown, 0, known.types))),
    )
