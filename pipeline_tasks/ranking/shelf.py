"""A catalogue to rank from: users' vectors, or their scores of all items, in; the best columns and values out.

Only what may be shown has a column. Exact, with ties broken by the smaller item; on a processor that multiplies
bfloat16 candidates are found by rough scores first, see `rough`.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.ranking.rough import ITEMS_A_CANDIDATE, WIDER, RoughItems, ordered, pays, shown
from pipeline_tasks.ranking.top_k import LARGEST_GROUP, never, top_k

# Items of a block of scores: with ROWS_A_BLOCK users 128 MiB, for each thread. On a GPU, which few rows do not keep busy,
# as many users as 512 MiB hold.
ITEMS_A_BLOCK, ROWS_A_BLOCK = 131_072, 256
GPU_SCORES = 1 << 27
# rows whose lists rough scores must be sure of, as a share: the others are scored twice
SURE_ENOUGH = 0.75
# items of a processor's product: more would drive each other's vectors and scores out of the nearest cache
ITEMS_A_PRODUCT = 2_048

Pairs = tuple[Tensor, Tensor]  # rows and columns, (n,) each


@dataclass(frozen=True)
class Ranked:
    """Lists of the rows first .. first + len(items): `items` (rows, k), best first, 0 where there are no more."""

    first: int
    items: NDArray[np.int32]
    scores: NDArray[np.float32]  # (rows, k), -inf where there are no more


class Shelf:
    """The allowed items as columns, in the order of the items: what may not be shown is never scored."""

    def __init__(self, allowed: NDArray[np.bool_], items_a_block: int, vectors: Tensor | None = None) -> None:
        device = torch.device("cpu") if vectors is None else vectors.device
        self.items = torch.from_numpy(1 + np.flatnonzero(allowed[1:])).to(device)  # (columns,)
        self.columns = torch.full((len(allowed),), -1, device=device)  # (n_items + 1,), -1 is not allowed
        self.columns[self.items] = torch.arange(len(self.items), device=device)
        self.width = min(items_a_block, max(1, len(self.items)))
        self.vectors = None if vectors is None else vectors[self.items]
        # users to rank at a time, items of a product, and what rows of scores are aligned to: a GPU copies padded ones
        self.rows, self._product, self._alignment = (
            (ROWS_A_BLOCK, ITEMS_A_PRODUCT, LARGEST_GROUP)
            if device.type == "cpu"
            else (max(1, GPU_SCORES // self.width), self.width, 1)
        )
        self.rough: RoughItems | None = None
        self._own = threading.local()

    def scores(self, rows: Tensor) -> Iterator[Tensor]:
        """Yield (rows, some columns) after another, each written over by the next.

        `rows` are users' vectors where the model has vectors, else scores of all items.
        """
        if self.vectors is None:
            for items in torch.split(self.items.to(rows.device), self.width):
                yield rows.index_select(1, items)
            return
        yield from self._products(rows, self.vectors)

    def best(self, rows: Tensor, k: int, masked: Pairs | None) -> tuple[Tensor, Tensor]:
        """Return what `best` does of all columns, by rough scores first where there are such."""
        if self.rough is None or self.vectors is None:
            return best(self.scores(rows), k, masked)
        columns, rough = self._roughly(rows, self.rough, k, masked)
        sure = shown(rough, k, self.rough.error(rows)) | ~rows.any(1)
        columns, values = ordered(rows, self.vectors, columns, k)
        if not sure.all():
            left = (~sure).nonzero()[:, 0]
            columns[left], values[left] = best(self.scores(rows[left]), k, _of_rows(masked, ~sure))
        return columns, values

    def look(self, rows: Tensor, k: int, masked: Pairs | None) -> None:
        """Go by rough scores from now on, if these rows say that it pays."""
        if self.vectors is None or self.vectors.device.type != "cpu" or not pays():
            return
        if not k or len(self.items) < ITEMS_A_CANDIDATE * WIDER * k:
            return
        rough = RoughItems.of(self.vectors)
        found = self._roughly(rows, rough, k, masked)[1]
        if float(shown(found, k, rough.error(rows)).float().mean()) >= SURE_ENOUGH:
            self.rough = rough

    def _roughly(
        self, rows: Tensor, rough: RoughItems, k: int, masked: Pairs | None
    ) -> tuple[Tensor, Tensor]:
        """Return more than `k` columns and rough scores of each row; these are right where they are positive.

        They are compared as whole numbers, which is several times as fast: of positive ones the order is the same.
        """
        blocks = self._products(rows.bfloat16(), rough.vectors)
        columns, numbers = best((block.view(torch.int16) for block in blocks), WIDER * k, masked)
        return columns, numbers.view(torch.bfloat16)

    def _products(self, rows: Tensor, vectors: Tensor) -> Iterator[Tensor]:
        for block in torch.split(vectors, self.width):
            scores = self._room(vectors, len(rows))[: len(rows), : len(block)]
            for start in range(0, len(block), self._product):
                some = slice(start, start + self._product)
                torch.mm(rows, block[some].T, out=scores[:, some])
            yield scores

    def _room(self, vectors: Tensor, rows: int) -> Tensor:
        """Return the thread's own room for scores of a kind, of `rows` at least."""
        rooms: dict[torch.dtype, Tensor] = self._own.__dict__.setdefault("rooms", {})
        if vectors.dtype not in rooms or len(rooms[vectors.dtype]) < rows:
            stride = -(-self.width // self._alignment) * self._alignment
            rooms[vectors.dtype] = vectors.new_empty(rows, stride)
        return rooms[vectors.dtype]

    def pairs(self, rows: NDArray[np.int64], items: NDArray[np.integer]) -> Pairs:
        """Return those of the (row, item) pairs whose item is allowed, by column."""
        column = self.columns[torch.from_numpy(items).to(self.columns.device).long()]
        row, kept = torch.from_numpy(rows).to(column.device), (column >= 0).nonzero()[:, 0]
        return row[kept], column[kept]

    def ranked(self, first: int, parts: Sequence[tuple[Tensor, Tensor]], k: int) -> Ranked:
        """Return the parts' columns and values, of consecutive rows, as items and scores."""
        columns, values = (torch.cat(found) for found in zip(*parts, strict=True))
        items = self.items.to(columns.device)[columns].masked_fill(values == -torch.inf, 0)
        missing = min(k, len(self.columns)) - items.shape[1]
        items, values = F.pad(items, (0, missing)), F.pad(values, (0, missing), value=-torch.inf)
        return Ranked(first, items.int().cpu().numpy(), values.float().cpu().numpy())


def best(scores: Iterator[Tensor], k: int, masked: Pairs | None) -> tuple[Tensor, Tensor]:
    """Return the (rows, k) columns and values of the best of blocks of consecutive columns, changed in place.

    The `masked` (row, column) pairs have no value at all.
    """
    start = 0
    columns = values = None
    for block in scores:
        if masked is not None:
            here = ((masked[1] >= start) & (masked[1] < start + block.shape[1])).nonzero()[:, 0]
            block[masked[0][here], masked[1][here] - start] = never(block.dtype)
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


def _of_rows(pairs: Pairs | None, chosen: Tensor) -> Pairs | None:
    """Return the pairs of the `chosen` (rows,) rows, numbered among these."""
    if pairs is None:
        return None
    kept = chosen[pairs[0]]
    return (chosen.cumsum(0) - 1)[pairs[0][kept]], pairs[1][kept]
