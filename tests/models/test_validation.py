"""Validation of a model that scores: the rank of the answer among what could be recommended."""

from typing import Any

import numpy as np
import pytest
import torch

from pipeline_tasks.evaluation.lists import top_lists
from pipeline_tasks.evaluation.metrics import measure
from pipeline_tasks.models import validation
from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.validation import chances, mean_gain
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


def test_a_model_that_scores_all_items_alike_has_found_nothing() -> None:
    known, answers = histories([[1], [1]]), np.array([2, 40])
    alike = mean_gain(lambda block: torch.zeros(len(block), 51), known, answers, 50, exclude_seen=True)
    assert alike == pytest.approx(0.5)  # item 2 comes first of those that are not seen, item 40 far down


def test_the_gain_is_the_ndcg_of_the_lists_with_ties_and_all() -> None:
    scores = torch.from_numpy(np.random.default_rng(0).integers(0, 6, (40, 31))).float()
    known = histories([[1 + user % 30, 1 + 7 * user % 30] for user in range(40)])
    answers = np.array([1 + 11 * user % 30 for user in range(40)])
    asked = np.array([answer in known.rows(np.array([user])).items for user, answer in enumerate(answers)])
    answers[asked] = 1 + (answers[asked] + 12) % 30

    class Fixed:
        def score(self, block: Histories) -> torch.Tensor:
            return scores[torch.from_numpy(block.users).long() - 1].clone()

    lists = top_lists(Fixed(), known, 10, 30, exclude_seen=True)  # type: ignore[arg-type]
    truth = histories([[int(answer)] for answer in answers])
    expected = measure(lists, truth, 10, 30).ndcg.mean()
    gain = mean_gain(Fixed().score, known, answers, 30, exclude_seen=True)
    assert gain == pytest.approx(expected, abs=1e-6)
    assert 0.1 < expected < 0.9


def test_nobody_to_validate_on_is_no_quality() -> None:
    nobody = histories([])
    assert mean_gain(lambda block: SCORES, nobody, np.array([], dtype=int), 4, exclude_seen=True) is None


def test_chances_hang_on_user_and_item_alone() -> None:
    known = histories([[1, 2, 3, 4], [1, 2, 3, 4]])
    found = chances(known)
    assert len(set(found)) == 8
    assert ((found >= 0) & (found < 1)).all()
    more = histories([[5, 4, 3, 2, 1], [4, 1]])
    assert set(chances(more)) >= {*found[:4], found[4], found[7]}
