"""Top-N in this process: users, items and what each user has seen in, every user's list out. See top_n.py.

The option `how` says by what: "ours" is what a night runs, "torch" the plain way, a product and a topk, "gemm"
the product alone, in blocks that are written over. On a GPU vectors lie there before the clock starts.
"""

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

import pipeline_tasks  # noqa: F401 - says how torch's threads wait
from benchmarks.peers.protocol import Arrays, Job, answer, empty_lists
from pipeline_tasks.models.data import Histories
from pipeline_tasks.ranking.blocks import rank_users

# users of a block: on a GPU more than a night's default, see recommend.block_users
USERS_AT_ONCE, GPU_USERS_AT_ONCE = 1024, 8192
# users and items of a block whose scores stay in the cache, and of one that keeps a GPU busy
PART, CHUNK = 256, 4096
GPU_PART, GPU_CHUNK = 4096, 131_072


class Vectors:
    """A model that is its vectors: `users` (rows, dim) by number, `items` (n_items + 1, dim)."""

    def __init__(self, users: Tensor, items: Tensor) -> None:
        self.users, self.items = users, items

    def encode(self, histories: Histories) -> Tensor:
        return self.users[torch.from_numpy(histories.users).to(self.users.device).long()]

    def item_vectors(self) -> Tensor:
        return self.items


def users_at_once(model: Any) -> int:
    return USERS_AT_ONCE if model.items.device.type == "cpu" else GPU_USERS_AT_ONCE


def ours(model: Any, seen: Histories, k: int) -> NDArray[np.int32]:
    allowed = np.ones(len(model.items), dtype=bool)
    blocks = rank_users(model, seen, k, allowed, exclude_seen=True, users_a_block=users_at_once(model))
    return np.concatenate([block.items for block in blocks])


def plain(model: Any, seen: Histories, k: int) -> NDArray[np.int32]:
    lists = []
    step = users_at_once(model)
    for first in range(0, len(seen), step):
        block = seen.rows(slice(first, first + step))
        scores = model.encode(block) @ model.items.T
        scores[:, 0] = -torch.inf
        rows, items = (torch.from_numpy(part).to(scores.device) for part in (block.row_of_event, block.items))
        scores[rows, items.long()] = -torch.inf
        lists.append(scores.topk(k, dim=1)[1].int().cpu().numpy())
    return np.concatenate(lists)


def gemm(model: Any, seen: Histories, k: int) -> NDArray[np.int32]:
    own = model.items.device
    part, chunk = (PART, CHUNK) if own.type == "cpu" else (GPU_PART, min(GPU_CHUNK, len(model.items)))
    room = torch.empty(part, chunk, device=own)
    for users in model.encode(seen).split(part):
        for items in model.items.split(chunk):
            torch.mm(users, items.T, out=room[: len(users), : len(items)])
    if own.type == "cuda":
        torch.cuda.synchronize(own)
    return empty_lists(len(seen), k)


WAYS = {"ours": ours, "torch": plain, "gemm": gemm}


@torch.inference_mode()
def run(job: Job) -> tuple[Arrays, dict[str, Any]]:
    device = torch.device(job.options["device"])
    users, vectors = (torch.from_numpy(job.arrays[name]).to(device) for name in ("users", "vectors"))
    torch.set_num_threads(job.options["threads"])
    model = Vectors(users, torch.cat([vectors.new_zeros(1, vectors.shape[1]), vectors]))
    items = job.arrays["items"]
    seen = Histories(
        np.arange(len(users), dtype=np.int32),
        job.arrays["offsets"],
        items,
        np.ones(len(items), np.int8),
        np.zeros(len(items), np.int64),
    )
    way = WAYS[job.options["how"]]
    before = psutil.Process().memory_info().rss
    way(model, seen.rows(slice(0, users_at_once(model))), job.options["k"])
    begin = time.perf_counter()
    lists = way(model, seen, job.options["k"])
    return {"lists": lists}, {"seconds": time.perf_counter() - begin, "before_bytes": before}


if __name__ == "__main__":
    answer(run)
