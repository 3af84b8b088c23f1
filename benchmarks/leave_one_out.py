"""Leave-one-out on a file of sequences: a model is fitted on all events but each user's last, which it must find.

All items are ranked but those that the user has seen. The event before the last of some users is kept from
training for early stopping. Prints a JSON line a run, then a table. With --peer another library does the work, and
ours measures it; with --beside it does so after our model, and is given as long as that was trained.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.comparison import told
from benchmarks.ours import add_times, arguments, fitted, pace
from benchmarks.peer import PEERS, run_peer
from benchmarks.sequences import read_catalogue, read_sequences, without_last
from pipeline_tasks.evaluation.lists import top_lists
from pipeline_tasks.evaluation.metrics import measure
from pipeline_tasks.models.data import Histories

K = 10
SHOWN = (
    "model",
    f"HR@{K}",
    f"NDCG@{K}",
    "coverage",
    "epochs",
    "train_seconds",
    "tokens_per_second",
    "users_per_second",
)


def main() -> None:
    asked = _arguments()
    histories = read_sequences(asked.sequences, asked.times)
    known, truth = without_last(histories)
    n_items = int(histories.items.max())
    lines = []
    for name, lists, facts in _runs(asked, known, n_items):
        found = measure(lists, truth, K, n_items)
        line = {
            "model": name,
            "seed": asked.seed,
            "set": asked.set,
            f"HR@{K}": round(float(found.recall.mean()), 4),
            f"NDCG@{K}": round(float(found.ndcg.mean()), 4),
            "coverage": round(found.coverage, 3),
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            **facts,
        }
        lines.append(line)
        print(json.dumps(line), flush=True)
    print(f"\n{told(lines, SHOWN)}")


def _runs(
    asked: argparse.Namespace, known: Histories, n_items: int
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield each run's name, lists and costs."""
    if asked.peer:
        options = {key: json.loads(value) for key, value in (pair.split("=", 1) for pair in asked.set)}
        yield asked.peer, *_theirs(asked, asked.peer, known, n_items, options)
        return
    lists, facts = _ours(asked, known, n_items)
    yield asked.model, lists, facts
    for peer in asked.beside:
        bound = {"seconds": facts["train_seconds"]} if "seconds" in PEERS[peer][1] else {}
        yield peer, *_theirs(asked, peer, known, n_items, bound)


def _ours(asked: argparse.Namespace, known: Histories, n_items: int) -> tuple[Any, dict[str, Any]]:
    catalogue = read_catalogue(n_items, asked.item_text, asked.item_attributes, asked.seed)
    model, facts = fitted(asked, known, catalogue)
    started = time.monotonic()
    lists = top_lists(model, known, K, n_items, exclude_seen=True)
    return lists, {**facts, "users_per_second": round(len(known) / (time.monotonic() - started))}


def _theirs(
    asked: argparse.Namespace, peer: str, known: Histories, n_items: int, options: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    lists, facts = run_peer(
        peer,
        known.offsets,
        known.items,
        n_items,
        k=K,
        threads=asked.threads,
        seed=asked.seed,
        **options,
    )
    return lists, {**pace(known, facts["train_seconds"], 1), **facts}


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__)
    add_times(parser)
    parser.add_argument("--peer", choices=sorted(PEERS), help="a library of make peers, in place of a model")
    parser.add_argument("--beside", nargs="*", choices=sorted(PEERS), default=[], help="after the model")
    return parser.parse_args()


if __name__ == "__main__":
    main()
