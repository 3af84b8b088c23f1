"""implicit's topk over given vectors: users, items and what each user has seen in, every user's list out."""

import time
from typing import Any

import numpy as np
from implicit.cpu.topk import topk
from protocol import Arrays, Job, answer
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits


def run(job: Job) -> tuple[Arrays, dict[str, Any]]:
    users, vectors, items = (job.arrays[name] for name in ("users", "vectors", "items"))
    shape = (len(users), len(vectors))
    seen = csr_matrix((np.ones(len(items), np.float32), items - 1, job.arrays["offsets"]), shape=shape)
    with threadpool_limits(1, "blas"):  # as implicit asks for: its own threads share the users out
        topk(vectors, users[:200], 1, filter_query_items=seen[:200], num_threads=job.options["threads"])
        begin = time.perf_counter()
        found, scores = topk(
            vectors, users, job.options["k"], filter_query_items=seen, num_threads=job.options["threads"]
        )
        seconds = time.perf_counter() - begin
    lists = np.where(scores > np.finfo(np.float32).min, found + 1, 0).astype(np.int32)
    return {"lists": lists}, {"seconds": seconds}


if __name__ == "__main__":
    answer(run)
