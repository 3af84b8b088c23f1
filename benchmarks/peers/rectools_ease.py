"""RecTools' EASE: a job in, every user's list out. Options: `regularization`, values of which validation picks."""

import time
from typing import Any

from protocol import Arrays, Job, answer
from rectools.models import EASEModel
from rectools_data import dataset, lists_of
from validation import pick


def _fitted(job: Job, regularization: float) -> tuple[Any, Any]:
    events = dataset(job)
    return EASEModel(regularization=regularization).fit(events), events


def run(job: Job) -> tuple[Arrays, dict[str, Any]]:
    chosen, search = pick(
        job,
        [{"regularization": value} for value in job.options["regularization"]],
        lambda known, option: lists_of(*_fitted(known, **option), known)[0],
    )
    begin = time.perf_counter()
    model, events = _fitted(job, **chosen)
    seconds = time.perf_counter() - begin
    lists, speed = lists_of(model, events, job)
    return {"lists": lists}, {"train_seconds": seconds, **search, **speed}


if __name__ == "__main__":
    answer(run)
