"""implicit's ALS: a job in, every user's list out.

Options: factors, iterations; `alpha` and `regularization`, values of which validation picks.
"""

from implicit.cpu.als import AlternatingLeastSquares
from implicit_models import lists_of, matrix
from protocol import Job, answer
from threadpoolctl import threadpool_limits
from validation import Fitted, Option, search


def _fitted(job: Job, option: Option) -> Fitted:
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


if __name__ == "__main__":
    answer(lambda job: search(job, ["alpha", "regularization"], _fitted, lists_of))
