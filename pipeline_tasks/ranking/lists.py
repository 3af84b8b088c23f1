"""Every user's list in the making: what a model ranked and the popular lists in, full lists with reasons out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import NO_REASON, Model
from pipeline_tasks.ranking.blocks import RankedUsers
from pipeline_tasks.ranking.rerank import Reranker, rank_lists

EVERYBODY = "all"


@dataclass(frozen=True)
class Filled:
    """Lists of consecutive users: (rows, k) items, 0 where there are no more, and their scores.

    `reasons` are items of the user's own history for what the model ranked (`by_model`), and else numbers of
    popular lists.
    """

    first: int
    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    by_model: NDArray[np.bool_]
    reasons: NDArray[np.int32]


@dataclass(frozen=True)
class PopularLists:
    """Popular lists: `names`, and of each the items, best first, and their scores. The first is everybody's."""

    names: Sequence[str]
    items: Sequence[NDArray[np.int32]]
    scores: Sequence[NDArray[np.float32]]


def fill_lists(
    model: Model | None,
    reranker: Reranker | None,
    histories: Histories,
    k: int,
    allowed: NDArray[np.bool_],
    popular: PopularLists,
    own_list: NDArray[np.int64],
    *,
    exclude_seen: bool,
    users_a_block: int,
) -> Iterator[Filled]:
    """Yield every row's list of `k` allowed items: what the model ranks, then those of the popular lists.

    `own_list` (rows,) is the popular list of each row's segment; who has no history gets that one, and what
    is missing after it comes from everybody's. Without a model the popular lists serve everybody.
    """
    if model is None:
        ranked_blocks = _nothing_ranked(histories, users_a_block)
    else:
        ranked_blocks = rank_lists(
            model, reranker, histories, k, allowed, exclude_seen=exclude_seen, users_a_block=users_a_block
        )
    for ranked in ranked_blocks:
        rows = len(ranked.items)
        block = ranked.histories
        items = np.zeros((rows, k), dtype=np.int32)
        scores = np.zeros((rows, k), dtype=np.float32)
        width = ranked.items.shape[1]
        items[:, :width], scores[:, :width] = ranked.items, ranked.scores
        nothing_known = block.lengths == 0
        items[nothing_known] = 0
        by_model = items > 0
        reasons = np.zeros_like(items) if model is None else _own_items(model, block, items)
        for row in np.flatnonzero(~by_model.all(axis=1)):
            seen = block.items[block.offsets[row] : block.offsets[row + 1]] if exclude_seen else ()
            _refill(items[row], scores[row], reasons[row], popular, int(own_list[ranked.first + row]), seen)
        yield Filled(ranked.first, items, scores, by_model, reasons)


def _nothing_ranked(histories: Histories, users_a_block: int) -> Iterator[RankedUsers]:
    for first in range(0, len(histories), users_a_block):
        block = histories.rows(slice(first, first + users_a_block))
        none = np.zeros((len(block), 0))
        yield RankedUsers(first, none.astype(np.int32), none.astype(np.float32), block)


def _own_items(model: Model, block: Histories, items: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the item of the user's history that each place follows from; the newest where the model has none."""
    reasons = np.zeros(items.shape, dtype=np.int32)
    if not len(block.items):
        return reasons
    events = model.reasons(block, items)
    newest = np.maximum(block.offsets[1:] - 1, 0)[:, None]
    found: NDArray[np.int32] = block.items[np.where(events == NO_REASON, newest, events)]
    return np.where(items > 0, found, 0).astype(np.int32)


def _refill(
    items: NDArray[np.int32],
    scores: NDArray[np.float32],
    reasons: NDArray[np.int32],
    popular: PopularLists,
    own: int,
    seen: Sequence[int] | NDArray[np.int32],
) -> None:
    """Fill one row's empty places, in place: scores fall on, so that they are in order in every list."""
    place = int(np.count_nonzero(items))
    taken = {*map(int, items[:place]), *map(int, seen)}
    lowest = float(scores[place - 1]) if place else None
    for number in dict.fromkeys((own, 0)):
        for item, score in zip(popular.items[number], popular.scores[number], strict=True):
            if place == len(items):
                return
            if int(item) in taken:
                continue
            lowest = float(score) if lowest is None else min(float(score), lowest - 1.0)
            items[place], scores[place], reasons[place] = item, lowest, number
            taken.add(int(item))
            place += 1
