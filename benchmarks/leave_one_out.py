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

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peer import PEERS, run_peer
from benchmarks.sequences import read_catalogue, read_sequences, without_last
from pipeline_tasks import settings
from pipeline_tasks.evaluation.metrics import measure
from pipeline_tasks.evaluation.selection import top_lists
from pipeline_tasks.model_configs import model_config
from pipeline_tasks.model_store import KINDS
from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.models.interface import Training

K = 10


def main() -> None:
    asked = _arguments()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    histories = read_sequences(asked.sequences, asked.times)
    known, truth = without_last(histories)
    n_items = int(histories.items.max())
    catalogue = read_catalogue(n_items, asked.item_text, asked.item_attributes, asked.seed)
    lists, facts = _theirs(asked, known, n_items) if asked.peer else _ours(asked, known, catalogue)
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


def _ours(asked: argparse.Namespace, known: Histories, catalogue: Catalogue) -> tuple[Any, dict[str, Any]]:
    changed: dict[str, Any] = dict(pair.split("=", 1) for pair in asked.set)
    config = model_config(settings.load(train=changed), asked.model, (0.0, 1.0), int(known.times.max()) + 1)
    training = Training(asked.seed, say=lambda line: print(line, file=sys.stderr, flush=True))
    started = time.monotonic()
    model = KINDS[asked.model].fit(known, catalogue, config, training)
    train_seconds = time.monotonic() - started
    started = time.monotonic()
    lists = top_lists(model, known, K, catalogue.n_items, exclude_seen=True)
    users_per_second = len(known) / (time.monotonic() - started)
    epochs = model.state().facts.get("training", {}).get("epoch", 0)
    facts: dict[str, Any] = {"train_seconds": round(train_seconds, 1), "epochs": epochs}
    if epochs:
        facts["seconds_per_epoch"] = round(train_seconds / epochs, 2)
        facts["tokens_per_second"] = round((len(known.items) - len(known)) * epochs / train_seconds)
    return lists, {**facts, "users_per_second": round(users_per_second)}


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=Path, required=True, help="one user a line: user item item …")
    parser.add_argument("--times", type=Path, help="the same shape, Unix seconds in place of items")
    parser.add_argument("--item-text", type=Path, help="TSV: item, …, text")
    parser.add_argument("--item-attributes", type=Path, help="JSON: item to a list of attribute ids")
    parser.add_argument("--model", choices=sorted(KINDS), default="transformer")
    parser.add_argument("--peer", choices=sorted(PEERS), help="a library of make peers, in place of a model")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves it alone")
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        help="train settings, for instance dim=128; of a peer its options, as JSON: seconds=300",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
