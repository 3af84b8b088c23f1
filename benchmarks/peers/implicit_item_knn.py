"""implicit's item-kNN: a job in, every user's list out.

Options: `kind` (cosine, tfidf, bm25) and `neighbours`, values of which validation picks.
"""

from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from implicit_models import lists_of, matrix
from protocol import Job, answer
from validation import Fitted, Option, search

KINDS = {"cosine": CosineRecommender, "tfidf": TFIDFRecommender, "bm25": BM25Recommender}


def _fitted(job: Job, option: Option) -> Fitted:
    seen = matrix(job)
    model = KINDS[option["kind"]](K=option["neighbours"], num_threads=job.options["threads"])
    model.fit(seen, show_progress=False)
    return model, seen


if __name__ == "__main__":
    answer(lambda job: search(job, ["kind", "neighbours"], _fitted, lists_of))
