"""How well a model in training finds what comes next: scores and validation users in, a quality out."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.data import Histories

# users of a block times items: scores kept at a time
CELLS_AT_ONCE = 1 << 23
PLACES = 10


@torch.no_grad()
def mean_gain(
    score: Callable[[Histories], Tensor],
    histories: Histories,
    answers: NDArray[np.int64],
    n_items: int,
    *,
    exclude_seen: bool,
) -> float | None:
    """Return the mean of 1 / log2(1 + rank) of each row's answer, 0 below place PLACES; None without rows.

    That is NDCG at PLACES of one answer (Järvelin and Kekäläinen 2002): as much as lists show, since a model
    may find more answers far down and still make worse lists.
    `score` gives (rows, n_items + 1). An answer that nothing is known of gains nothing.
    """
    gains, rows = [], max(1, CELLS_AT_ONCE // (n_items + 1))
    for first in range(0, len(histories), rows):
        block = histories.rows(slice(first, first + rows))
        scores = score(block)
        scores[:, 0] = -torch.inf
        if exclude_seen:
            scores[torch.from_numpy(block.row_of_event), torch.from_numpy(block.items).long()] = -torch.inf
        own = scores.gather(1, torch.from_numpy(answers[first : first + rows]).to(scores.device)[:, None])
        above = (scores > own).sum(1)
        gains.append((own[:, 0] > -torch.inf) * (above < PLACES) / torch.log2(2.0 + above))
    return float(torch.cat(gains).mean()) if gains else None
