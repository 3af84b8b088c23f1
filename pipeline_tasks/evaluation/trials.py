"""Trials of models: histories and a moment in; what warm users had done by then, did next, and how lists met it out."""

from dataclasses import dataclass

import numpy as np

from pipeline_tasks.evaluation.lists import top_lists
from pipeline_tasks.evaluation.metrics import Measured, measure
from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import Model
from pipeline_tasks.ranking.rerank import Reranker


@dataclass(frozen=True)
class Trial:
    """Warm users after a moment: what they had done by then, and what they did next."""

    known: Histories
    truth: Histories


def trial_after(histories: Histories, cut: int, max_users: int, *, novel: bool) -> Trial:
    """Return the users with events both before `cut` (Unix seconds) and since, at most `max_users` by a fixed hash.

    With `novel`, where seen items are never recommended, only items that are new to the user are the truth.
    """
    after = histories.where((histories.times >= cut) & histories.novel()) if novel else histories.since(cut)
    past = histories.before(cut)
    warm = np.intersect1d(past.users, after.users)
    if len(warm) > max_users:
        mixed = (warm.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(16)
        warm = np.sort(warm[np.argsort(mixed, kind="stable")[:max_users]])
    return Trial(past.rows(np.searchsorted(past.users, warm)), after.rows(np.searchsorted(after.users, warm)))


def measure_on(
    trial: Trial,
    model: Model,
    reranker: Reranker | None,
    k: int,
    n_items: int,
    *,
    exclude_seen: bool,
    users_a_block: int,
) -> Measured:
    """Measure the lists of all items that the model, and the reranker if there is one, make for the trial's users."""
    lists = top_lists(
        model,
        trial.known,
        k,
        n_items,
        exclude_seen=exclude_seen,
        users_a_block=users_a_block,
        reranker=reranker,
    )
    return measure(lists, trial.truth, k, n_items)
