"""implicit's ALS: a job in, every user's list out.

Options: factors, iterations; `alpha` and `regularization`, values of which validation picks.
"""

import time
from itertools import product
from typing import Any

from implicit.cpu.als import AlternatingLeastSquares
from implicit_models import lists_of, matrix
from protocol import Arrays, Job, answer
from threadpoolctl import threadpool_limits
from validation import Option, pick


def _fitted(job: Job, option: Option) -> tuple[Any, Any]:
    seen = matrix(job)
    model = AlternatingLeastSquares(
        factors=job.options["factors"],
        iterations=job.options["iterations"],
        num_threads=job.options["threads"],
        random_state=job.options["seed"],
        **option,
    )
    with threadpool_limits(1, "blas"):  # as implicit asks for
        model.fit(seen, show_progress=False)
    return model, seen


def run(job: Job) -> tuple[Arrays, dict[str, Any]]:
    grid = product(job.options["alpha"], job.options["regularization"])
    chosen, search = pick(
        job,
        [{"alpha": alpha, "regularization": regularization} for alpha, regularization in grid],
        lambda known, option: lists_of(*_fitted(known, option), known)[0],
    )
    begin = time.perf_counter()
    model, seen = _fitted(job, chosen)
    seconds = time.perf_counter() - begin
    lists, speed = lists_of(model, seen, job)
    return {"lists": lists}, {"train_seconds": seconds, **search, **speed}


if __name__ == "__main__":
    answer(run)
