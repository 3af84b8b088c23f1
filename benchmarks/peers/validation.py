"""A peer's options chosen without the test, and its lists: a job and ways to fit and to list in, lists and cost out.

Chosen is what ranks each user's last known event best.
"""

import time
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from protocol import Arrays, Job

Option = dict[str, Any]
Fitted = tuple[Any, Any]  # a model, and the events as its library takes them


def search(
    job: Job,
    names: Sequence[str],
    fitted: Callable[[Job, Option], Fitted],
    lists_of: Callable[[Any, Any, Job], tuple[NDArray[np.int32], dict[str, float]]],
) -> tuple[Arrays, dict[str, Any]]:
    """Return the lists of the best of all combinations of the job's options `names`, and what they cost."""
    combinations = product(*(job.options[name] for name in names))
    options = [dict(zip(names, values, strict=True)) for values in combinations]
    chosen, tried = pick(job, options, lambda known, option: lists_of(*fitted(known, option), known)[0])
    begin = time.perf_counter()
    model, events = fitted(job, chosen)
    seconds = time.perf_counter() - begin
    lists, speed = lists_of(model, events, job)
    return {"lists": lists}, {"train_seconds": seconds, **tried, **speed}


def pick(
    job: Job, options: Sequence[Option], lists: Callable[[Job, Option], NDArray[np.int32]]
) -> tuple[Option, dict[str, Any]]:
    """Return the best of `options`, and facts about the search; where there is one option, it is not tried."""
    if len(options) == 1:
        return options[0], {"options": options[0]}
    begin = time.perf_counter()
    known, last = _split(job)
    gains = [float(_ndcg(lists(known, option), last)) for option in options]
    best = options[int(np.argmax(gains))]
    tried = [{**option, "ndcg": round(gain, 5)} for option, gain in zip(options, gains, strict=True)]
    return best, {"options": best, "tried": tried, "search_seconds": time.perf_counter() - begin}


def _split(job: Job) -> tuple[Job, NDArray[np.int32]]:
    """Return the job without the last event of who has two or more, and that event's item (0 for the others)."""
    offsets, items = job.arrays["offsets"], job.arrays["items"]
    lengths = np.diff(offsets)
    last = np.where(lengths > 1, items[np.maximum(offsets[1:] - 1, 0)], 0)
    keep = np.ones(len(items), dtype=bool)
    keep[offsets[1:][lengths > 1] - 1] = False
    shorter = np.concatenate([[0], np.cumsum(lengths - (lengths > 1))])
    return Job({"offsets": shorter, "items": items[keep]}, job.options), last


def _ndcg(lists: NDArray[np.int32], last: NDArray[np.int32]) -> np.floating[Any]:
    hits = (lists == last[:, None]) & (last[:, None] > 0)
    return np.mean(hits @ (1.0 / np.log2(np.arange(2, lists.shape[1] + 2))))
