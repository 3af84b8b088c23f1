"""A job's events as RecTools' dataset, and RecTools' recommendations as lists."""

import time
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from protocol import Job, empty_lists
from rectools import Columns
from rectools.dataset import Dataset


def dataset(job: Job) -> Dataset:
    """Return the events, in their order: what stands for time is an event's number."""
    events = len(job.arrays["items"])
    return Dataset.construct(
        pd.DataFrame(
            {
                Columns.User: job.row_of_event,
                Columns.Item: job.arrays["items"],
                Columns.Weight: np.ones(events, dtype=np.float32),
                Columns.Datetime: pd.to_datetime(np.arange(events), unit="s"),
            }
        )
    )


def lists_of(model: Any, events: Dataset, job: Job) -> tuple[NDArray[np.int32], dict[str, float]]:
    """Return (rows, k) best unseen items of every user (0: no more), and how fast they came."""
    users, k = np.unique(job.row_of_event), job.options["k"]
    begin = time.perf_counter()
    found = model.recommend(users, events, k=k, filter_viewed=True, on_unsupported_targets="ignore")
    seconds = time.perf_counter() - begin
    lists = empty_lists(job.rows, k)
    lists[found[Columns.User], found[Columns.Rank] - 1] = found[Columns.Item]
    return lists, {"users_per_second": len(users) / seconds}
