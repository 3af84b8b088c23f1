"""Two stages: a model's best candidates and what is known of them in, the same in the ranker's order out."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import EmbeddingModel, Model
from pipeline_tasks.models.ranker import Ranker
from pipeline_tasks.ranking.barred import Barred
from pipeline_tasks.ranking.blocks import Further, RankedUsers, rank_users, side_by_side
from pipeline_tasks.ranking.features import Floats, Known, crosses
from pipeline_tasks.ranking.top_k import top_k

USERS_AT_ONCE = 256
LESS_MEMORY = "lower recommend.block_users or ranking.candidates"


class Reranker:
    """A ranker with what is known at one moment; `candidates` of each user are looked at."""

    def __init__(self, ranker: Ranker, known: Known, candidates: int) -> None:
        self.network, self.known, self.candidates = ranker.network, known, candidates
        self.device = self.network.retrieval.device
        with torch.inference_mode():
            self._items = self.network.of_items(torch.from_numpy(known.items).to(self.device))

    def rerank(self, ranked: RankedUsers, k: int) -> RankedUsers:
        """Return each row's best `k` of the ranked, by the ranker; equal scores keep their order."""

        def ordered(users: NDArray[np.int32], shown: NDArray[np.int32], scores: Floats) -> tuple[Any, Any]:
            found = self._scores(users, shown, scores)
            order = np.argsort(-found, axis=1, kind="stable")[:, :k]
            return np.take_along_axis(shown, order, 1), np.take_along_axis(found, order, 1)

        rows = [slice(first, first + USERS_AT_ONCE) for first in range(0, len(ranked.items), USERS_AT_ONCE)]
        parts = ranked.histories.users, ranked.items, ranked.scores
        with side_by_side(self.device) as each:
            found = list(each(ordered, *([values[some] for some in rows] for values in parts)))
        items, scores = (np.concatenate(values) for values in zip(*found, strict=True))
        return RankedUsers(ranked.first, items, scores, ranked.histories)

    @torch.inference_mode()
    def _scores(self, users: NDArray[np.int32], items: NDArray[np.int32], scores: Floats) -> Floats:
        if not items.shape[1]:
            return scores
        known = self.known
        above = np.minimum(
            np.arange(items.shape[1], dtype=np.float32), self.candidates
        )  # as `standing` counts
        place = np.broadcast_to(above, items.shape)
        of_pairs = pair_features(
            np.where(items > 0, gaps_below(scores, scores[:, : self.candidates]), 0.0),
            place,
            crosses(
                known.affinity[users][:, None],
                known.topics[items],
                known.price_level[users][:, None],
                known.price[items],
            ),
        )
        own = self.network.of_users(torch.from_numpy(known.users[users]).to(self.device))
        taken = self._items[torch.from_numpy(items).to(self.device).long()]  # (rows, candidates, hidden)
        found = self.network(own, taken, torch.from_numpy(of_pairs).to(self.device)).cpu().numpy()
        return np.where(items > 0, found, -np.inf).astype(np.float32)


def pair_features(gaps: NDArray[np.floating], above: NDArray[np.floating], crossed: Floats) -> Floats:
    """Return (…, features): how far a score is below the best, how many are above it, how user and item go together."""
    return np.concatenate([np.stack([gaps, np.log1p(above)], -1), crossed], -1).astype(np.float32)


def gaps_below(scores: Floats, best: Floats) -> Floats:
    """Return how far `scores` (rows, places) are below the first of the row's `best` (rows, candidates), best first.

    In mean distances of the row's candidates from the first: a ranker reads the scores of two models, of the one
    that had not seen the examples and of the one that serves, and what a point is worth differs between them.
    -inf, which is no candidate, stays.
    """
    first = best[:, :1]
    candidates = np.isfinite(best)
    distances = np.subtract(first, best, out=np.zeros_like(best), where=candidates)
    mean = distances.sum(1, keepdims=True) / np.maximum(1, candidates.sum(1, keepdims=True))
    mean[mean == 0] = 1.0
    gaps: Floats = np.full_like(scores, -np.inf)
    np.subtract(scores, first, out=gaps, where=np.isfinite(scores))
    gaps /= mean
    return gaps


@torch.inference_mode()
def standing(
    model: Model,
    blocks: Iterable[Histories],
    rows: NDArray[np.int64],
    items: NDArray[np.int32],
    candidates: int,
    *,
    exclude_seen: bool,
) -> tuple[Floats, Floats]:
    """Return (pairs, places): `gaps_below` of each item's score, and how many are above it.

    `items` (pairs, places) are asked of the `rows` (pairs,), in order, of histories that come in `blocks`. Items below
    the best `candidates` count as many above them; one that the model never gives is -inf below.
    """
    gaps, above = np.zeros(items.shape, np.float32), np.zeros(items.shape, np.float32)
    first = 0
    for block in blocks:
        here = slice(*np.searchsorted(rows, [first, first + len(block)]))
        scores = _all_scores(model, block, exclude_seen=exclude_seen)
        own_row = torch.from_numpy(rows[here] - first).to(scores.device)
        asked = torch.from_numpy(items[here]).to(scores.device).long()
        own = scores[own_row[:, None], asked]  # (pairs, places)
        best = top_k(scores, candidates)[0][own_row]  # (pairs, candidates)
        gaps[here] = gaps_below(own.cpu().numpy(), best.cpu().numpy())
        above[here] = (best[:, None] > own[:, :, None]).sum(2).cpu().numpy()
        first += len(block)
    return gaps, above


def _all_scores(model: Model, block: Histories, *, exclude_seen: bool) -> torch.Tensor:
    """Return (rows, n_items + 1), -inf for what would not be ranked."""
    scores = model.score(block)
    if isinstance(model, EmbeddingModel):
        scores[:, ~model.item_vectors().any(1)] = -torch.inf
    scores[:, 0] = -torch.inf
    if exclude_seen:
        row, item = torch.from_numpy(block.row_of_event), torch.from_numpy(block.items).long()
        scores[row.to(scores.device), item.to(scores.device)] = -torch.inf
    return scores


def rank_lists(
    model: Model,
    reranker: Reranker | None,
    histories: Histories,
    k: int,
    allowed: NDArray[np.bool_],
    *,
    exclude_seen: bool,
    users_a_block: int = 1024,
    barred: Barred | None = None,
    further: Further | None = None,
) -> Iterator[RankedUsers]:
    """Yield every row's `k` best as `rank_users` does, in the reranker's order where there is one."""
    wanted = max(k, reranker.candidates) if reranker else k
    blocks = rank_users(
        model,
        histories,
        wanted,
        allowed,
        exclude_seen=exclude_seen,
        users_a_block=users_a_block,
        barred=barred,
        further=further,
    )
    for block in blocks:
        # what is ranked further may not be lost again to what the ranker likes better
        yield reranker.rerank(block, k if further is None else block.items.shape[1]) if reranker else block
