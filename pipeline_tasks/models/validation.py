"""How well a model finds what comes next: histories in, users held out; their scores in, a quality out."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.data import Histories

# users of a block times items: scores kept at a time
CELLS_AT_ONCE = 1 << 23
PLACES = 10
VALIDATION_USERS = 2_000
VALIDATION_SHARE = 0.25


def hold_out(
    histories: Histories, users: int = VALIDATION_USERS, *, novel: bool
) -> tuple[Histories, Histories, NDArray[np.int64]]:
    """Return what to learn from, the histories of about `users` (at most a quarter), and the item each has next.

    A validation user's last target, and what came after it, is left out of the learning. Where `novel`, only
    a first event with an item is a target. Who is one depends on the user alone, so that a model that goes on
    from an earlier night's has not seen the answers.
    """
    targets = histories.novel() if novel else np.ones(len(histories.items), dtype=bool)
    targets[histories.offsets[:-1][histories.lengths > 0]] = False  # nothing comes before the first event
    last = np.full(len(histories), -1)
    events = np.flatnonzero(targets)
    last[histories.row_of_event[events]] = events  # the last that is written stays
    share = min(VALIDATION_SHARE, users / max(1, len(histories)))
    chosen = np.flatnonzero((_uniform(histories.users.astype(np.uint64)) < share) & (last >= 0))
    keep = np.ones(len(histories.items), dtype=bool)
    for row in chosen:
        keep[last[row] : histories.offsets[row + 1]] = False
    learnt = histories.where(keep)
    rows = np.searchsorted(learnt.users, histories.users[chosen])
    return learnt, learnt.rows(rows), histories.items[last[chosen]].astype(np.int64)


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
    may find more answers far down and still make worse lists. Ranks are those of lists, of equal scores the
    smaller item first: a model that scores all items the same has found nothing.
    `score` gives (rows, n_items + 1). An answer that nothing is known of gains nothing.
    """
    gains, rows = [], max(1, CELLS_AT_ONCE // (n_items + 1))
    for first in range(0, len(histories), rows):
        block = histories.rows(slice(first, first + rows))
        scores = score(block)
        scores[:, 0] = -torch.inf
        if exclude_seen:
            scores[torch.from_numpy(block.row_of_event), torch.from_numpy(block.items).long()] = -torch.inf
        asked = torch.from_numpy(answers[first : first + rows]).to(scores.device)[:, None]  # (rows, 1)
        own = scores.gather(1, asked)
        smaller = torch.arange(scores.shape[1], device=scores.device) < asked
        above = ((scores > own) | ((scores == own) & smaller)).sum(1)
        gains.append((own[:, 0] > -torch.inf) * (above < PLACES) / torch.log2(2.0 + above))
    return float(torch.cat(gains).mean()) if gains else None


def chances(histories: Histories) -> NDArray[np.float64]:
    """Return a number in [0, 1) of each event that depends on its user and item alone."""
    users = histories.users[histories.row_of_event].astype(np.uint64)
    return _uniform((users << np.uint64(32)) | histories.items.astype(np.uint64))


def _uniform(ids: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return a number in [0, 1) that depends on the id alone (SplitMix64's mixing)."""
    mixed = ids * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed >> np.uint64(11)) / float(1 << 53)
