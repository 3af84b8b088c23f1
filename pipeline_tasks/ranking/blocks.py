"""The best items of every user: a fitted model and histories in, ranked lists out, block by block.

Exact, with ties broken by the smaller item; memory is a block of users by a block of items, whatever the
number of either: a model without vectors, which scores all items of a user, is asked of fewer users where items
are many. What a user has seen is masked in the block, before its best are taken. On a CPU each thread has a block
of its own, from the product to the lists: threads that share one wait for one another at every step.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import EmbeddingModel, Model
from pipeline_tasks.ranking.barred import Barred
from pipeline_tasks.ranking.shelf import ITEMS_A_BLOCK, Pairs, Ranked, Shelf, best

# scores of all items for users, or likenesses of items, kept at a time: 128 MiB in single precision
CELLS_AT_ONCE = 1 << 25


@dataclass(frozen=True)
class RankedUsers(Ranked):
    """Lists of users, with the `histories` that these were encoded from: reasons are asked of the same."""

    histories: Histories


@dataclass(frozen=True)
class Further:
    """Items (n_items + 1,) of which every row gets its best `k`, behind what it would have had without."""

    items: NDArray[np.bool_]
    k: int


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
    barred: Barred | None = None,
    further: Further | None = None,
) -> Iterator[RankedUsers]:
    """Yield every row's `k` best of the `allowed` (n_items + 1,) items, in the order of the rows.

    With `barred` (of the same rows) these are left out in place of what was seen; with `further` lists are longer.
    Of what the model knows nothing is never among them: scores of -inf, items and users whose vector is zero.
    """
    vectors = model.item_vectors() if isinstance(model, EmbeddingModel) else None
    if vectors is not None:
        allowed = allowed & vectors.any(1).cpu().numpy()
    if barred is None and exclude_seen:
        barred = Barred.seen(histories)
    shelves = [(Shelf(allowed, items_a_block, vectors), k)]
    if further is not None and (allowed & further.items)[1:].any():
        shelves.append((Shelf(allowed & further.items, items_a_block, vectors), further.k))

    def lists(shelf: Shelf, k: int, part: Barred | None, own: Tensor) -> tuple[Tensor, Tensor]:
        columns, values = shelf.best(own, k, _pairs(shelf, part))
        if vectors is not None:
            values.masked_fill_(~own.any(1, keepdim=True), -torch.inf)
        return columns, values

    rows = shelves[0][0].rows
    if vectors is None:
        users_a_block = max(1, min(users_a_block, CELLS_AT_ONCE // len(allowed)))
        rows = min(rows, -(-users_a_block // torch.get_num_threads()))
    with side_by_side(shelves[0][0].items.device) as each:
        for first in range(0, len(histories), users_a_block):
            block = histories.rows(slice(first, first + users_a_block))
            whole = model.encode(block) if isinstance(model, EmbeddingModel) else model.score(block)
            parts = _parts(barred, first, len(block), rows), torch.split(whole, rows)
            found = []
            for shelf, size in shelves:
                if not first:
                    shelf.look(parts[1][0], size, _pairs(shelf, parts[0][0]))
                ranked = list(each(partial(lists, shelf, size), *parts))
                found.append(shelf.ranked(first, ranked, size))
            yield RankedUsers(**vars(_joined(found)), histories=block)


def _parts(barred: Barred | None, first: int, rows: int, at_once: int) -> list[Barred | None]:
    """Return what is barred of the rows from `first`, so many at a time."""
    starts = range(first, first + rows, at_once)
    if barred is None:
        return [None for _ in starts]
    return [barred.rows(slice(start, min(start + at_once, first + rows))) for start in starts]


def _pairs(shelf: Shelf, barred: Barred | None) -> Pairs | None:
    return None if barred is None else shelf.pairs(barred.row_of_item, barred.items)


def _joined(found: list[Ranked]) -> Ranked:
    """Return the first lists with what else the second ones have behind them."""
    if len(found) == 1:
        return found[0]
    one, other = found
    again = (other.items[:, :, None] == one.items[:, None, :]).any(2)
    items = np.concatenate([one.items, np.where(again, 0, other.items)], axis=1)
    scores = np.concatenate([one.scores, np.where(again, -np.inf, other.scores)], axis=1)
    order = np.argsort(items == 0, axis=1, kind="stable")
    return Ranked(one.first, np.take_along_axis(items, order, 1), np.take_along_axis(scores, order, 1))


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
