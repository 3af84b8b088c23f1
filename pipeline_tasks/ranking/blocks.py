"""The best items of every user: a fitted model and histories in, ranked lists out, block by block.

Exact, with ties broken by the smaller item; memory is a block of users by a block of items, whatever the
number of either. What a user may not get (seen, unavailable) is masked in the block, before its best are taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import EmbeddingModel, Model

ITEMS_A_BLOCK = 8_192


@dataclass(frozen=True)
class Ranked:
    """Lists of the rows first .. first + len(items): `items` (rows, k), best first, 0 where there are no more."""

    first: int
    items: NDArray[np.int32]
    scores: NDArray[np.float32]  # (rows, k), -inf where there are no more


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
) -> Iterator[Ranked]:
    """Yield every row's `k` best of the `allowed` (n_items + 1,) items, in the order of the rows.

    Of what the model knows nothing is never among them: scores of -inf, items and users whose vector is zero.
    """
    vectors = model.item_vectors() if isinstance(model, EmbeddingModel) else None
    if vectors is not None:
        allowed = allowed & vectors.any(1).cpu().numpy()
    for first in range(0, len(histories), users_a_block):
        block = histories.rows(slice(first, first + users_a_block))
        seen = (block.row_of_event, block.items.astype(np.int64)) if exclude_seen else None
        unknown: Tensor | None = None
        if isinstance(model, EmbeddingModel) and vectors is not None:
            users = model.encode(block)
            unknown = ~users.any(1)
            scores: Iterator[Tensor] = (users @ part.T for part in torch.split(vectors, items_a_block))
        else:
            scores = iter(torch.split(model.score(block), items_a_block, dim=1))
        items, values = best(scores, k, allowed, seen)
        if unknown is not None:
            items[unknown], values[unknown] = 0, -torch.inf
        yield _ranked(first, items, values)


@torch.inference_mode()
def rank_similar(
    model: Model,
    items: NDArray[np.int64],
    k: int,
    allowed: NDArray[np.bool_],
    *,
    items_a_block: int = 1024,
) -> Iterator[Ranked]:
    """Yield the `k` most alike of the `allowed` items for each of `items`, never the item itself."""
    for first in range(0, len(items), items_a_block):
        block = items[first : first + items_a_block]
        itself = (np.arange(len(block)), block)
        yield _ranked(first, *best(iter([model.similar(block)]), k, allowed, itself))


def best(
    scores: Iterator[Tensor],
    k: int,
    allowed: NDArray[np.bool_],
    masked: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
) -> tuple[Tensor, Tensor]:
    """Return the (rows, k) best items and scores of blocks of consecutive columns, which are changed in place.

    Column 0 is never among them, nor what is not `allowed`, nor the `masked` (row, item) pairs.
    """
    start = 0
    items = values = None
    for block in scores:
        stop = start + block.shape[1]
        _mask(block, start, allowed, masked)
        top, found = top_k(block, k)
        found += start
        if items is None or values is None:
            items, values = found, top
        else:  # all items so far are smaller than the block's: ties stay in order
            values, place = top_k(torch.cat([values, top], 1), k)
            items = torch.cat([items, found], 1).gather(1, place)
        start = stop
    if items is None or values is None:
        raise ValueError("there are no blocks of scores")
    return items.masked_fill(values == -torch.inf, 0), values


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the (rows, k) largest values and their columns, equal ones by the smaller column.

    torch.topk may take any of equal values; where the k-th has equals outside, the row is done again by sorting.
    """
    k = min(k, scores.shape[1])
    values, columns = scores.topk(k, dim=1, sorted=True)
    if k == 0:
        return values, columns
    last = values[:, -1:]
    torn = ((scores == last).sum(1) > (values == last).sum(1)) & (last[:, 0] > -torch.inf)
    if torn.any():
        full, order = scores[torn].sort(dim=1, descending=True, stable=True)
        values[torn], columns[torn] = full[:, :k], order[:, :k]
    columns, order = columns.sort(dim=1)
    values, order = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    return values, columns.gather(1, order)


def _mask(
    block: Tensor,
    start: int,
    allowed: NDArray[np.bool_],
    masked: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
) -> None:
    stop = start + block.shape[1]
    unwanted = ~allowed[start:stop]
    if start == 0:
        unwanted[0] = True
    block[:, torch.from_numpy(unwanted).to(block.device)] = -torch.inf
    if masked is None:
        return
    rows, items = masked
    here = (items >= start) & (items < stop)
    block[
        torch.from_numpy(rows[here]).to(block.device), torch.from_numpy(items[here] - start).to(block.device)
    ] = -torch.inf


def _ranked(first: int, items: Tensor, scores: Tensor) -> Ranked:
    return Ranked(first, items.int().cpu().numpy(), scores.float().cpu().numpy())
