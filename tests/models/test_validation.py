"""Validation of a model that scores: the rank of the answer among what could be recommended."""

from typing import Any

import numpy as np
import pytest
import torch

from pipeline_tasks.models import validation
from pipeline_tasks.models.validation import mean_gain
from tests.models.worlds import histories

SCORES = torch.tensor([[9.0, 5.0, 4.0, 3.0, -torch.inf], [9.0, 1.0, 2.0, 3.0, 4.0]])


def gain(answers: list[int], *, exclude_seen: bool) -> Any:
    known = histories([[1], [2]])
    return mean_gain(
        lambda block: SCORES[torch.from_numpy(block.users).long() - 1].clone(),
        known,
        np.array(answers),
        4,
        exclude_seen=exclude_seen,
    )


@pytest.mark.parametrize("cells", [1, 1 << 23])
def test_the_gain_is_of_the_rank_among_what_is_not_seen(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "CELLS_AT_ONCE", cells)
    ranks = {True: (2, 3), False: (3, 4)}  # of items 3 and 1
    for exclude_seen, (first, second) in ranks.items():
        expected = (1 / np.log2(1 + first) + 1 / np.log2(1 + second)) / 2
        assert gain([3, 1], exclude_seen=exclude_seen) == pytest.approx(expected)


def test_an_answer_that_nothing_is_known_of_gains_nothing() -> None:
    assert gain([4, 4], exclude_seen=True) == pytest.approx(0.5)


def test_nobody_to_validate_on_is_no_quality() -> None:
    nobody = histories([])
    assert mean_gain(lambda block: SCORES, nobody, np.array([], dtype=int), 4, exclude_seen=True) is None
