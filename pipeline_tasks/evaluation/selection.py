"""Which of several models becomes the challenger: models and users' next items in, their qualities out."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.evaluation.metrics import measure
from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import Model
from pipeline_tasks.ranking.blocks import rank_users


def top_lists(
    model: Model,
    known: Histories,
    k: int,
    n_items: int,
    *,
    exclude_seen: bool,
    users_a_block: int = 1024,
) -> NDArray[np.int32]:
    """Return (rows, k): every user's best of all items, 0 where there are no more."""
    lists = np.zeros((len(known), k), dtype=np.int32)
    allowed = np.ones(n_items + 1, dtype=bool)
    ranked = rank_users(model, known, k, allowed, exclude_seen=exclude_seen, users_a_block=users_a_block)
    for block in ranked:
        rows = slice(block.first, block.first + len(block.items))
        lists[rows, : block.items.shape[1]] = block.items
    return lists


def qualities(
    models: Mapping[str, Model],
    known: Histories,
    answers: NDArray[np.int64],
    k: int,
    n_items: int,
    *,
    exclude_seen: bool,
) -> dict[str, float]:
    """Return each model's NDCG at `k` on the item that each user of `known` has next, the best first."""
    truth = known.where(np.isin(np.arange(len(known.items)), known.offsets[1:] - 1))
    truth = Histories(truth.users, truth.offsets, answers.astype(np.int32), truth.types, truth.times)
    found = {}
    for name, model in models.items():
        lists = top_lists(model, known, k, n_items, exclude_seen=exclude_seen)
        found[name] = float(measure(lists, truth, k, n_items).ndcg.mean()) if len(known) else 0.0
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))
