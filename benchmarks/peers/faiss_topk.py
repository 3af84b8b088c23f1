"""faiss' flat index over given vectors: users, items and what each user has seen in, every user's list out.

faiss knows no mask a user: it is asked for the list and as many items as a user has seen, and these are
filtered out after. `search_seconds` is without that, `seconds` with it.
"""

import time
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from protocol import Arrays, Job, answer

USERS_AT_ONCE = 1024


def run(job: Job) -> tuple[Arrays, dict[str, Any]]:
    users, vectors, k = job.arrays["users"], job.arrays["vectors"], job.options["k"]
    faiss.omp_set_num_threads(job.options["threads"])
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    more = min(len(vectors), k + int(np.diff(job.arrays["offsets"]).max(initial=0)))
    index.search(users[:USERS_AT_ONCE], more)
    begin = time.perf_counter()
    _, found = index.search(users, more)
    searched = time.perf_counter() - begin
    lists = _unseen(found, job, len(vectors))[:, :k]
    seconds = time.perf_counter() - begin
    return {"lists": (lists + 1).astype(np.int32)}, {"seconds": seconds, "search_seconds": searched}


def _unseen(found: NDArray[np.int64], job: Job, n: int) -> NDArray[np.int64]:
    """Return each row's unseen items first, in their order."""
    offsets, items = job.arrays["offsets"], job.arrays["items"]
    ordered = np.empty_like(found)
    seen = np.zeros((USERS_AT_ONCE, n), dtype=bool)
    for first in range(0, len(found), USERS_AT_ONCE):
        part = found[first : first + USERS_AT_ONCE]
        bounds = offsets[first : first + len(part) + 1]
        place = np.repeat(np.arange(len(part)), np.diff(bounds)), items[bounds[0] : bounds[-1]] - 1
        seen[place] = True
        hidden = np.take_along_axis(seen[: len(part)], part, 1)
        seen[place] = False
        order = np.argsort(hidden, axis=1, kind="stable")
        ordered[first : first + len(part)] = np.take_along_axis(part, order, 1)
    return ordered


if __name__ == "__main__":
    answer(run)
