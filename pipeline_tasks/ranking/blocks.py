"""The best items of every user: a fitted model and histories in, ranked lists out, block by block.

Exact, with ties broken by the smaller item; memory is a block of users by a block of items, whatever the
number of either. What a user has seen is masked in the block, before its best are taken. On a CPU each thread
has a block of its own, from the product to the lists: threads that share one wait for one another at every step.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import EmbeddingModel, Model
from pipeline_tasks.ranking.top_k import LARGEST_GROUP, top_k

# Items of a block of scores: with ROWS_A_BLOCK users 128 MiB, for each thread.
ITEMS_A_BLOCK = 131_072
ROWS_A_BLOCK = 256
# likenesses of items kept at a time: 128 MiB
CELLS_AT_ONCE = 1 << 25
# items of a product: more would drive each other's vectors and scores out of the nearest cache
ITEMS_A_PRODUCT = 2_048

Pairs = tuple[Tensor, Tensor]  # rows and columns, (n,) each


@dataclass(frozen=True)
class Ranked:
    """Lists of the rows first .. first + len(items): `items` (rows, k), best first, 0 where there are no more."""

    first: int
    items: NDArray[np.int32]
    scores: NDArray[np.float32]  # (rows, k), -inf where there are no more


@dataclass(frozen=True)
class RankedUsers(Ranked):
    """Lists of users, with the `histories` that these were encoded from: reasons are asked of the same."""

    histories: Histories


class Shelf:
    """The allowed items as columns, in the order of the items: what may not be shown is never scored."""

    def __init__(self, allowed: NDArray[np.bool_], items_a_block: int, vectors: Tensor | None = None) -> None:
        device = torch.device("cpu") if vectors is None else vectors.device
        self.items = torch.from_numpy(1 + np.flatnonzero(allowed[1:])).to(device)  # (columns,)
        self.columns = torch.full((len(allowed),), -1, device=device)  # (n_items + 1,), -1 is not allowed
        self.columns[self.items] = torch.arange(len(self.items), device=device)
        self.width = min(items_a_block, max(1, len(self.items)))
        self.vectors = None if vectors is None else vectors[self.items]
        self._own = threading.local()

    def scores(self, rows: Tensor) -> Iterator[Tensor]:
        """Yield (rows, some columns) after another, each written over by the next.

        `rows` are users' vectors where the model has vectors, else scores of all items.
        """
        if self.vectors is None:
            for items in torch.split(self.items.to(rows.device), self.width):
                yield rows.index_select(1, items)
            return
        for block in torch.split(self.vectors, self.width):
            scores = self._room(self.vectors)[: len(rows), : len(block)]
            for start in range(0, len(block), ITEMS_A_PRODUCT):
                some = slice(start, start + ITEMS_A_PRODUCT)
                torch.mm(rows, block[some].T, out=scores[:, some])
            yield scores

    def _room(self, vectors: Tensor) -> Tensor:
        """Return the thread's own room for scores, whose rows begin where groups of columns may begin."""
        if not hasattr(self._own, "room"):
            stride = -(-self.width // LARGEST_GROUP) * LARGEST_GROUP
            self._own.room = vectors.new_empty(ROWS_A_BLOCK, stride)
        room: Tensor = self._own.room
        return room

    def pairs(self, rows: NDArray[np.int64], items: NDArray[np.integer]) -> Pairs:
        """Return those of the (row, item) pairs whose item is allowed, by column."""
        column = self.columns[torch.from_numpy(items).to(self.columns.device).long()]
        row = torch.from_numpy(rows).to(column.device)
        return row[column >= 0], column[column >= 0]

    def ranked(self, first: int, parts: Sequence[tuple[Tensor, Tensor]], k: int) -> Ranked:
        """Return the parts' columns and values, of consecutive rows, as items and scores."""
        columns, values = (torch.cat(found) for found in zip(*parts, strict=True))
        items = self.items.to(columns.device)[columns].masked_fill(values == -torch.inf, 0)
        missing = min(k, len(self.columns)) - items.shape[1]
        items, values = F.pad(items, (0, missing)), F.pad(values, (0, missing), value=-torch.inf)
        return Ranked(first, items.int().cpu().numpy(), values.float().cpu().numpy())


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
        columns, values = best(shelf.scores(own), k, seen)
        if vectors is not None:
            values[~own.any(1)] = -torch.inf
        return columns, values

    with side_by_side(shelf.items.device) as each:
        for first in range(0, len(histories), users_a_block):
            block = histories.rows(slice(first, first + users_a_block))
            whole = model.encode(block) if isinstance(model, EmbeddingModel) else model.score(block)
            rows = [slice(start, start + ROWS_A_BLOCK) for start in range(0, len(block), ROWS_A_BLOCK)]
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


def best(scores: Iterator[Tensor], k: int, masked: Pairs | None) -> tuple[Tensor, Tensor]:
    """Return the (rows, k) columns and values of the best of blocks of consecutive columns, changed in place.

    The `masked` (row, column) pairs have the value -inf.
    """
    start = 0
    columns = values = None
    for block in scores:
        if masked is not None:
            here = (masked[1] >= start) & (masked[1] < start + block.shape[1])
            block[masked[0][here], masked[1][here] - start] = -torch.inf
        top, found = top_k(block, k)
        found += start
        if columns is None or values is None:
            values, columns = top, found
        else:  # all columns so far are smaller than the block's: ties stay in order
            values, place = top_k(torch.cat([values, top], 1), k)
            columns = torch.cat([columns, found], 1).gather(1, place)
        start += block.shape[1]
    if columns is None or values is None:
        raise ValueError("there are no blocks of scores")
    return columns, values
