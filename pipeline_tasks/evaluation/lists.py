"""The lists that a model is judged by: a model and histories in, every user's best of the catalogue out."""

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import Model
from pipeline_tasks.ranking.rerank import Reranker, rank_lists


def top_lists(
    model: Model,
    known: Histories,
    k: int,
    n_items: int,
    *,
    exclude_seen: bool,
    users_a_block: int = 1024,
    allowed: NDArray[np.bool_] | None = None,
    reranker: Reranker | None = None,
) -> NDArray[np.int32]:
    """Return (rows, k): every user's best of all items, or of the `allowed` (n_items + 1,); 0: no more."""
    lists = np.zeros((len(known), k), dtype=np.int32)
    allowed = np.ones(n_items + 1, dtype=bool) if allowed is None else allowed
    ranked = rank_lists(
        model, reranker, known, k, allowed, exclude_seen=exclude_seen, users_a_block=users_a_block
    )
    for block in ranked:
        rows = slice(block.first, block.first + len(block.items))
        lists[rows, : block.items.shape[1]] = block.items
    return lists
