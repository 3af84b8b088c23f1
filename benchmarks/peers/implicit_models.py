"""A job's events as implicit's matrix, and an implicit model's recommendations as lists."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from protocol import Job, empty_lists
from scipy.sparse import csr_matrix


def matrix(job: Job) -> csr_matrix:
    """Return (users, n_items + 1), 1 where a user has had an item: what RecTools and the papers give it."""
    items = job.arrays["items"]
    shape = (job.rows, job.options["n_items"] + 1)
    found = csr_matrix((np.ones(len(items), np.float32), items, job.arrays["offsets"]), shape=shape)
    found.sum_duplicates()
    found.data[:] = 1.0
    return found


def lists_of(model: Any, seen: csr_matrix, job: Job) -> tuple[NDArray[np.int32], dict[str, float]]:
    """Return (rows, k) best unseen items of every user (0: no more), and how fast they came."""
    rows, k = job.rows, job.options["k"]
    begin = time.perf_counter()
    items, scores = model.recommend(
        np.arange(rows), seen, N=k, filter_already_liked_items=True, filter_items=[0]
    )
    seconds = time.perf_counter() - begin
    lists = empty_lists(rows, k)
    real = (items > 0) & (scores > np.finfo(np.float32).min)
    lists[:, : items.shape[1]] = np.where(real, items, 0)
    return lists, {"users_per_second": rows / seconds}
