"""implicit's item-kNN: a job in, every user's list out.

Options: `kind` (cosine, tfidf, bm25) and `neighbours`, values of which validation picks.
"""

import time
from itertools import product
from typing import Any

from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from implicit_models import lists_of, matrix
from protocol import Arrays, Job, answer
from validation import Option, pick

KINDS = {"cosine": CosineRecommender, "tfidf": TFIDFRecommender, "bm25": BM25Recommender}


def _fitted(job: Job, option: Option) -> tuple[Any, Any]:
    seen = matrix(job)
    model = KINDS[option["kind"]](K=option["neighbours"], num_threads=job.options["threads"])
    model.fit(seen, show_progress=False)
    return model, seen


def run(job: Job) -> tuple[Arrays, dict[str, Any]]:
    grid = product(job.options["kind"], job.options["neighbours"])
    chosen, search = pick(
        job,
        [{"kind": kind, "neighbours": neighbours} for kind, neighbours in grid],
        lambda known, option: lists_of(*_fitted(known, option), known)[0],
    )
    begin = time.perf_counter()
    model, seen = _fitted(job, chosen)
    seconds = time.perf_counter() - begin
    lists, speed = lists_of(model, seen, job)
    return {"lists": lists}, {"train_seconds": seconds, **search, **speed}


if __name__ == "__main__":
    answer(run)
