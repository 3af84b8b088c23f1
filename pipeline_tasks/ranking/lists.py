"""Every user's list in the making: what a model ranked and the popular lists in, full lists with reasons out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import NO_REASON, Model
from pipeline_tasks.ranking.barred import Barred
from pipeline_tasks.ranking.blocks import Further, RankedUsers
from pipeline_tasks.ranking.filled import MODEL, POPULAR, Filled
from pipeline_tasks.ranking.rerank import Reranker, rank_lists
from pipeline_tasks.ranking.ruled import TableRules

EVERYBODY = "all"


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
    barred: Barred | None,
    users_a_block: int,
    rules: TableRules | None = None,
    further: Further | None = None,
) -> Iterator[Filled]:
    """Yield every row's list of `k` allowed items: what the model ranks, then those of the popular lists.

    `barred` are items that a row may not have. `own_list` (rows,) is the popular list of each row's segment; who
    has no history gets that one, and what is missing after it comes from everybody's. Without a model the popular
    lists serve everybody. With `rules` the `k` are candidates, of which the rules choose.
    """
    if model is None:
        ranked_blocks = _nothing_ranked(histories, users_a_block)
    else:
        ranked_blocks = rank_lists(
            model,
            reranker,
            histories,
            k,
            allowed,
            exclude_seen=False,
            users_a_block=users_a_block,
            barred=barred,
            further=further,
        )
    for ranked in ranked_blocks:
        block = ranked.histories
        width = ranked.items.shape[1]
        lists = Filled.empty(ranked.first, len(block), max(k, width))
        lists.items[:, :width], lists.scores[:, :width] = ranked.items, ranked.scores
        lists.items[block.lengths == 0] = 0
        for row in np.flatnonzero((lists.items[:, :k] == 0).any(axis=1)):
            place = ranked.first + int(row)
            apart = () if barred is None else barred.items[barred.offsets[place] : barred.offsets[place + 1]]
            _refill(lists, int(row), popular, int(own_list[place]), apart)
        if rules is not None:
            lists = rules.apply(lists)
        if model is not None:
            own = _own_items(model, block, np.where(lists.sources == MODEL, lists.items, 0))
            np.copyto(lists.reasons, own, where=own > 0)
        yield lists


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
    lists: Filled, row: int, popular: PopularLists, own: int, barred: Sequence[int] | NDArray[np.int32]
) -> None:
    """Fill one row's empty places, in place: scores fall on, so that they are in order in every list."""
    items, scores = lists.items[row], lists.scores[row]
    place = int(np.count_nonzero(items))
    taken = {*map(int, items[:place]), *map(int, barred)}
    lowest = float(scores[place - 1]) if place else None
    for number in dict.fromkeys((own, 0)):
        for item, score in zip(popular.items[number], popular.scores[number], strict=True):
            if place == len(items):
                return
            if int(item) in taken:
                continue
            lowest = float(score) if lowest is None else min(float(score), lowest - 1.0)
            items[place], scores[place] = item, lowest
            lists.sources[row, place], lists.reasons[row, place] = POPULAR, number
            taken.add(int(item))
            place += 1
