"""The ranker: it begins with retrieval's order, learns what features tell, and stands what is missing or wild."""

from typing import Any

import numpy as np
import pytest
import torch

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.models.interface import State, Training
from pipeline_tasks.models.ranker import Ranker, RankerConfig, RankerNetwork, RankingExamples, Standardized

GROUPS, PLACES, USERS, ITEMS, PAIRS = 600, 5, 3, 4, 2
CONFIG = RankerConfig(levels={}, hidden=16, dropout=0.0, learning_rate=0.01, batch_groups=32, epochs=15)


def examples(*, told_by: int | None = 1, seed: int = 0) -> RankingExamples:
    """Groups whose taken item has the largest value of the item feature `told_by`; of nothing without it."""
    generator = np.random.default_rng(seed)
    users = generator.normal(size=(GROUPS, USERS)).astype(np.float32)
    items = generator.normal(size=(GROUPS, PLACES, ITEMS)).astype(np.float32)
    pairs = generator.normal(size=(GROUPS, PLACES, PAIRS)).astype(np.float32)
    if told_by is not None:
        best = items[..., told_by].argmax(1)
        rows = np.arange(GROUPS)
        items[rows, 0], items[rows, best] = items[rows, best].copy(), items[rows, 0].copy()
    log_expected = np.zeros((GROUPS, PLACES), np.float32)
    return RankingExamples(users, items, pairs, log_expected, np.ones((GROUPS, PLACES), bool))


def scores(ranker: Ranker, of: RankingExamples) -> np.ndarray:
    network = ranker.network
    device = network.retrieval.device
    with torch.inference_mode():
        users, items, pairs = (torch.from_numpy(part).to(device) for part in (of.users, of.items, of.pairs))
        return network(network.of_users(users), network.of_items(items), pairs).cpu().numpy()


def first_is_best(ranker: Ranker) -> float:
    return float((scores(ranker, examples(seed=1)).argmax(1) == 0).mean())


def test_what_features_tell_is_learnt() -> None:
    ranker = Ranker.fit(examples(), first_is_best, CONFIG, Training(3))
    assert ranker is not None
    assert first_is_best(ranker) > 0.9


def test_it_begins_with_retrievals_order() -> None:
    of = examples()
    network = RankerNetwork(CONFIG, USERS, ITEMS, PAIRS)
    assert (scores(Ranker(network, {}), of).argsort(1) == of.pairs[..., 0].argsort(1)).all()


def test_none_is_better_than_one_that_its_judge_finds_no_better() -> None:
    assert Ranker.fit(examples(told_by=None), lambda ranker: 0.5, CONFIG, Training(3)) is None


def test_the_same_seed_gives_the_same_weights_and_they_come_back() -> None:
    one, other = (Ranker.fit(examples(), first_is_best, CONFIG, Training(3)) for _ in range(2))
    assert one is not None
    assert other is not None
    assert all(torch.equal(value, other.state().tensors[name]) for name, value in one.state().tensors.items())
    back = Ranker.from_state(State(one.state().tensors, one.state().facts), torch.device("cpu"))
    assert (scores(back, examples()) == scores(one, examples())).all()


def test_what_is_drawn_as_often_as_it_is_taken_is_found_to_be_taken_often() -> None:
    """Items of a popular kind are taken four times in five, and drawn as often: only logQ can tell."""
    of, generator = examples(told_by=None), np.random.default_rng(8)
    popular = generator.random((GROUPS, PLACES)) < 0.8
    of.items[:], of.pairs[:], of.users[:] = 0.0, 0.0, 0.0
    of.items[..., 0] = popular
    of.log_expected[:] = np.log(np.where(popular, 0.8, 0.2) * (PLACES - 1))
    fitted = Ranker.fit(of, _rising(), CONFIG, Training(3))
    assert fitted is not None
    found = scores(fitted, of)
    assert found[popular].mean() - found[~popular].mean() == pytest.approx(np.log(0.8 / 0.2), abs=0.3)


def _rising() -> Any:
    """Return a judge that likes every epoch better than the one before."""
    calls = iter(range(1, 1000))
    return lambda ranker: float(next(calls))


@pytest.mark.parametrize("wild", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_a_wild_value_moves_a_score_no_further_than_a_far_one(wild: float) -> None:
    ranker = Ranker.fit(examples(), first_is_best, CONFIG, Training(3))
    assert ranker is not None
    of, other = examples(seed=2), examples(seed=2)
    of.items[:, 2, 3] = wild
    other.items[:, 2, 3] = 0.0 if np.isnan(wild) else np.sign(wild) * 1e6
    found = scores(ranker, of)
    assert np.isfinite(found).all()
    assert np.isnan(wild) or (found == scores(ranker, other)).all()


def test_what_is_not_finite_counts_in_no_mean() -> None:
    part = Standardized(2)
    part.fit(torch.tensor([[1.0, torch.nan], [3.0, torch.inf], [5.0, 7.0]]))
    assert part.mean.tolist() == [3.0, 7.0]
    assert part.deviation.tolist() == pytest.approx([np.std([1, 3, 5]), 1.0])
    assert part(torch.tensor([[torch.nan, 7.0]])).tolist() == [[0.0, 0.0, 1.0, 0.0]]


def test_a_loss_that_diverges_ends_with_what_to_change() -> None:
    config = RankerConfig(levels={}, learning_rate=1e30, epochs=3)
    with pytest.raises(NightjarError, match=r"diverged.*lower ranking.learning_rate"):
        Ranker.fit(examples(), first_is_best, config, Training(3))
