"""Leave-one-out on a file of sequences: a model is fitted on all events but each user's last, which it must find.

All items are ranked but those that the user has seen. The event before the last of some users is kept from
training for early stopping. Prints a JSON line a run. With --peer another library does the work, and ours measures it.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ours import arguments, fitted
from benchmarks.peer import PEERS, run_peer
from benchmarks.sequences import read_catalogue, read_sequences, without_last
from pipeline_tasks.evaluation.lists import top_lists
from pipeline_tasks.evaluation.metrics import measure
from pipeline_tasks.models.data import Histories

K = 10


def main() -> None:
    asked = _arguments()
    histories = read_sequences(asked.sequences, asked.times)
    known, truth = without_last(histories)
    n_items = int(histories.items.max())
    lists, facts = (_theirs if asked.peer else _ours)(asked, known, n_items)
    found = measure(lists, truth, K, n_items)
    line = {
        "model": asked.peer or asked.model,
        "seed": asked.seed,
        "set": asked.set,
        f"HR@{K}": round(float(found.recall.mean()), 4),
        f"NDCG@{K}": round(float(found.ndcg.mean()), 4),
        "coverage": round(found.coverage, 3),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        **facts,
    }
    print(json.dumps(line), flush=True)


def _ours(asked: argparse.Namespace, known: Histories, n_items: int) -> tuple[Any, dict[str, Any]]:
    catalogue = read_catalogue(n_items, asked.item_text, asked.item_attributes, asked.seed)
    model, facts = fitted(asked, known, catalogue)
    started = time.monotonic()
    lists = top_lists(model, known, K, n_items, exclude_seen=True)
    return lists, {**facts, "users_per_second": round(len(known) / (time.monotonic() - started))}


def _theirs(asked: argparse.Namespace, known: Histories, n_items: int) -> tuple[Any, dict[str, Any]]:
    options: dict[str, Any] = {
        key: json.loads(value) for key, value in (pair.split("=", 1) for pair in asked.set)
    }
    return run_peer(
        asked.peer,
        known.offsets,
        known.items,
        n_items,
        k=K,
        threads=asked.threads,
        seed=asked.seed,
        **options,
    )


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--times", type=Path, help="the sequences' shape, Unix seconds in place of items")
    parser.add_argument("--peer", choices=sorted(PEERS), help="a library of make peers, in place of a model")
    return parser.parse_args()


if __name__ == "__main__":
    main()
