"""The best items of every user: a fitted model and histories in, ranked lists out, block by block.

Exact, with ties broken by the smaller item; memory is a block of users by a block of items, whatever the
number of either. What a user has seen is masked in the block, before its best are taken. On a CPU each thread
has a block of its own, from the product to the lists: threads that share one wait for one another at every step.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import EmbeddingModel, Model
from pipeline_tasks.ranking.shelf import ITEMS_A_BLOCK, ROWS_A_BLOCK, Ranked, Shelf, best

# likenesses of items kept at a time: 128 MiB
CELLS_AT_ONCE = 1 << 25


@dataclass(frozen=True)
class RankedUsers(Ranked):
    """Lists of users, with the `histories` that these were encoded from: reasons are asked of the same."""

    histories: Histories


@torch.inference_mode()
def rank_users(
    model: Model,
    histories: Histories,
    k: int,
    allowed: NDArray[np.bool_],
    *,
    exclude_seen: bool,
    users_a_block: int = 1024,
    items_a_block: int = ITEMS_A_BLOCK,
) -> Iterator[RankedUsers]:
    """Yield every row's `k` best of the `allowed` (n_items + 1,) items, in the order of the rows.

    Of what the model knows nothing is never among them: scores of -inf, items and users whose vector is zero.
    """
    vectors = model.item_vectors() if isinstance(model, EmbeddingModel) else None
    if vectors is not None:
        allowed = allowed & vectors.any(1).cpu().numpy()
    shelf = Shelf(allowed, items_a_block, vectors)

    def lists(part: Histories, own: Tensor) -> tuple[Tensor, Tensor]:
        seen = shelf.pairs(part.row_of_event, part.items) if exclude_seen else None
        columns, values = shelf.best(own, k, seen)
        if vectors is not None:
            values[~own.any(1)] = -torch.inf
        return columns, values

    with side_by_side(shelf.items.device) as each:
        for first in range(0, len(histories), users_a_block):
            block = histories.rows(slice(first, first + users_a_block))
            whole = model.encode(block) if isinstance(model, EmbeddingModel) else model.score(block)
            rows = [slice(start, start + ROWS_A_BLOCK) for start in range(0, len(block), ROWS_A_BLOCK)]
            if not first:
                some = block.rows(rows[0])
                shelf.look(
                    whole[rows[0]], k, shelf.pairs(some.row_of_event, some.items) if exclude_seen else None
                )
            parts = list(each(lists, [block.rows(some) for some in rows], [whole[some] for some in rows]))
            yield RankedUsers(**vars(shelf.ranked(first, parts, k)), histories=block)


@contextmanager
def side_by_side(device: torch.device) -> Iterator[Callable[..., Iterable[Any]]]:
    """Give a `map` whose calls run in as many threads as torch has, each alone in its own."""
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    if threads == 1:
        yield map
        return

    def alone() -> None:
        torch.set_num_threads(1)

    with ThreadPoolExecutor(threads, initializer=alone) as pool:
        try:
            yield lambda work, *parts: pool.map(torch.inference_mode()(work), *parts)
        finally:
            torch.set_num_threads(threads)  # what threads that are yet to come begin with


@torch.inference_mode()
def rank_similar(
    model: Model,
    items: NDArray[np.int64],
    k: int,
    allowed: NDArray[np.bool_],
    *,
    items_a_block: int = 0,
) -> Iterator[Ranked]:
    """Yield the `k` most alike of the `allowed` items for each of `items`, never the item itself.

    As many at a time as `items_a_block` says, by default so many that their likenesses are CELLS_AT_ONCE.
    """
    shelf = Shelf(allowed, ITEMS_A_BLOCK)
    items_a_block = items_a_block or max(1, CELLS_AT_ONCE // len(allowed))
    for first in range(0, len(items), items_a_block):
        block = items[first : first + items_a_block]
        itself = shelf.pairs(np.arange(len(block)), block)
        yield shelf.ranked(first, [best(shelf.scores(model.similar(block)), k, itself)], k)
