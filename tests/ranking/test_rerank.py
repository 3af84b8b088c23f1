"""Two stages: candidates in the ranker's order, and what retrieval says of examples, beside sorting by hand."""

import numpy as np
import torch

from pipeline_tasks.models.ranker import Ranker, RankerConfig, RankerNetwork
from pipeline_tasks.ranking.blocks import rank_users
from pipeline_tasks.ranking.features import Known
from pipeline_tasks.ranking.rerank import Reranker, gaps_below, rank_lists, standing
from tests.ranking.test_blocks import ITEMS, USERS, Vectors, allowed, histories

WIDTH, SLOTS, CANDIDATES = 3, 4, 12


def known() -> Known:
    generator = np.random.default_rng(2)

    def numbers(*shape: int) -> np.ndarray:
        return generator.normal(size=shape).astype(np.float32)

    return Known(
        users=numbers(USERS + 1, WIDTH),
        items=numbers(ITEMS + 1, WIDTH),
        affinity=numbers(USERS + 1, SLOTS),
        topics=numbers(ITEMS + 1, SLOTS),
        price_level=numbers(USERS + 1),
        price=numbers(ITEMS + 1),
    )


def ranker() -> Ranker:
    torch.manual_seed(0)
    network = RankerNetwork(RankerConfig(levels={}, hidden=8), WIDTH, WIDTH, 5)
    torch.nn.init.normal_(network.rest[-1].weight)
    return Ranker(network, {})


def by_hand(user: int, items: list[int], scores: list[float]) -> list[float]:
    """Score one user's candidates one by one."""
    told, network = known(), ranker().network
    found = []
    mean = float(np.mean([scores[0] - score for score in scores])) if scores else 0.0
    for place, (item, score) in enumerate(zip(items, scores, strict=True)):
        gap = told.price[item] - told.price_level[user]
        pair = [
            (score - scores[0]) / (mean or 1.0),
            np.log1p(place),
            float(told.affinity[user] @ told.topics[item]),
            gap,
            abs(gap),
        ]
        with torch.inference_mode():
            own = network(
                network.of_users(torch.from_numpy(told.users[user])[None]),
                network.of_items(torch.from_numpy(told.items[item])[None, None]),
                torch.tensor(pair, dtype=torch.float32)[None, None],
            )
        found.append(float(own))
    return found


def test_candidates_come_in_the_order_of_their_scores_one_by_one() -> None:
    model, people = Vectors(1), histories()
    reranker = Reranker(ranker(), known(), CANDIDATES)
    args = {"exclude_seen": True, "users_a_block": 16}
    first = list(rank_users(model, people, CANDIDATES, allowed(), **args))
    second = list(rank_lists(model, reranker, people, 5, allowed(), **args))
    for candidates, lists in zip(first, second, strict=True):
        for row in range(len(candidates.items)):
            items = [int(item) for item in candidates.items[row] if item]
            assert lists.items[row].tolist() == [0] * 5 if not items else True
            user = int(candidates.histories.users[row])
            found = by_hand(user, items, candidates.scores[row].tolist()[: len(items)])
            order = np.argsort(-np.array(found), kind="stable")[:5]
            assert [item for item in lists.items[row].tolist() if item] == [items[n] for n in order]
            np.testing.assert_allclose(lists.scores[row][: len(order)], np.array(found)[order], rtol=1e-5)


def test_a_model_whose_scores_lie_farther_apart_is_ranked_alike() -> None:
    """The ranker learnt from the scores of one model and reads those of another."""
    model, farther = Vectors(1), Vectors(1)
    farther.items = 8 * farther.items
    one, other = (
        next(
            rank_lists(
                each, Reranker(ranker(), known(), CANDIDATES), histories(), 5, allowed(), exclude_seen=True
            )
        )
        for each in (model, farther)
    )
    np.testing.assert_array_equal(one.items, other.items)
    np.testing.assert_allclose(one.scores, other.scores, rtol=1e-4, atol=1e-5)


def test_candidates_of_one_score_are_no_gap_apart() -> None:
    scores = np.array([[2.0, 2.0, -np.inf], [-np.inf] * 3, [3.0, 1.0, -1.0]], np.float32)
    expected = [[0.0, 0.0, -np.inf], [-np.inf] * 3, [0.0, -1.0, -2.0]]
    np.testing.assert_array_equal(gaps_below(scores, scores), np.array(expected, np.float32))


def test_more_places_than_candidates_are_candidates_too() -> None:
    reranker = Reranker(ranker(), known(), 3)
    lists = next(rank_lists(Vectors(1), reranker, histories(), 10, allowed(), exclude_seen=False))
    assert (lists.items > 0).sum(1).max() == 10


def test_standing_is_what_sorting_every_item_says() -> None:
    model, people = Vectors(1), histories()
    generator = np.random.default_rng(4)
    rows = np.sort(generator.integers(0, USERS, 50))
    items = generator.integers(1, ITEMS + 1, (50, 3)).astype(np.int32)
    blocks = [people.rows(slice(0, 20)), people.rows(slice(20, None))]
    gaps, above = standing(model, blocks, rows, items, CANDIDATES, exclude_seen=True)
    scores = model.score(people).numpy()
    for pair, row in enumerate(rows):
        own = scores[row].copy()
        own[0] = -np.inf
        own[~model.items.any(1).numpy()] = -np.inf
        own[people.rows(np.array([row])).items] = -np.inf
        for place, item in enumerate(items[pair]):
            if np.isinf(own[item]):
                assert gaps[pair, place] == -np.inf
                continue
            best = np.sort(own[np.isfinite(own)])[::-1][:CANDIDATES]
            expected = (own[item] - best[0]) / (best[0] - best).mean()
            np.testing.assert_allclose(gaps[pair, place], expected, rtol=1e-5)
            assert above[pair, place] == min(CANDIDATES, (own > own[item]).sum())
