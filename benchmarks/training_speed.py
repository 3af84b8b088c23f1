"""The speed of training: sequences in, real events a second of ours and of RecTools' SASRec at the same sizes.

    python benchmarks/training_speed.py --sequences ../shared/data/amazon-beauty/sequences.txt
    python benchmarks/training_speed.py --users 500 --items 3500 --length 200 --batch-events 1600

Both train the same width, blocks, heads, length and number of negatives, in the same threads, in turns. An
event counts when it is a target that is learnt from; padding never does. RecTools cuts a history to its newest
length + 1 events, ours cuts it into pieces and learns from all of them: each is divided by its own seconds.
With `--device cuda` ours trains on a GPU, in bfloat16 where it has that, and alone.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch

import pipeline_tasks  # noqa: F401 - says how torch's threads wait
from benchmarks.peer import cores, run_peer
from benchmarks.sequences import read_sequences, without_last
from pipeline_tasks.model_store import torch_device, torch_precision
from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.models.interface import Training
from pipeline_tasks.models.network import SequenceConfig
from pipeline_tasks.models.transformer import Transformer
from pipeline_tasks.settings import TrainSettings


def random_sequences(users: int, items: int, events: int) -> Histories:
    """Return histories of `events` items each, drawn by 1 / rank as popularity goes; a time is an event's number."""
    generator = np.random.default_rng(0)
    chances = 1.0 / np.arange(1, items + 1)
    drawn = generator.choice(items, users * events, p=chances / chances.sum()) + 1
    return Histories(
        np.arange(1, users + 1, dtype=np.int32),
        np.arange(users + 1, dtype=np.int64) * events,
        drawn.astype(np.int32),
        np.ones(len(drawn), np.int8),
        np.arange(len(drawn), dtype=np.int64),
    )


def ours(histories: Histories, n_items: int, options: argparse.Namespace) -> list[float]:
    """Return the seconds of each epoch; nothing is validated on."""
    config = SequenceConfig(
        event_types=1,
        dim=options.dim,
        blocks=options.blocks,
        heads=options.heads,
        max_length=options.length,
        batch_events=options.batch_events,
        epochs=options.epochs,
        patience=options.epochs,
        full_softmax_items=0,
        negatives=options.negatives,
        novel_targets=False,
        validation_users=0,
    )
    moments = [time.perf_counter()]
    asked = TrainSettings(device=options.device, threads=options.threads)
    device = torch_device(asked)
    training = Training(
        device=device,
        precision=torch_precision(asked, device),
        say=lambda line: moments.append(time.perf_counter()),
    )
    catalogue = Catalogue(np.zeros((n_items + 1, 1), np.float32))
    Transformer.fit(histories, catalogue, config, training)
    return np.diff(moments).tolist()


def theirs(histories: Histories, n_items: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return what RecTools took for one epoch."""
    _, facts = run_peer(
        "rectools",
        histories.offsets,
        histories.items,
        n_items,
        threads=options.threads,
        dim=options.dim,
        blocks=options.blocks,
        heads=options.heads,
        max_length=options.length,
        negatives=options.negatives,
        epochs=1,
    )
    return facts


def measured(number: int, histories: Histories, options: argparse.Namespace) -> dict[str, Any]:
    """Return one run: first ours, then, on the CPU, RecTools."""
    n_items = int(histories.items.max())
    tokens = int(np.maximum(histories.lengths - 1, 0).sum())
    seconds = ours(histories, n_items, options)
    own = tokens / median(seconds)
    line = {
        "run": number,
        "users": len(histories),
        "items": n_items,
        "events": tokens,
        "ours_seconds_per_epoch": [round(value, 3) for value in seconds],
        "ours_tokens_per_second": own,
    }
    if options.device == "cuda":
        return line
    peer = theirs(histories, n_items, options)
    return {
        **line,
        "rectools_seconds_per_epoch": peer["seconds_per_epoch"],
        "rectools_tokens_per_second": peer["tokens_per_second"],
        "ratio": own / peer["tokens_per_second"],
    }


def parsed() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sequences", type=Path, help="lines of a user and items; by default they are drawn")
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--items", type=int, default=3_500)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--negatives", type=int, default=256)
    parser.add_argument("--batch-events", type=int, default=SequenceConfig(1).batch_events)
    parser.add_argument("--epochs", type=int, default=3, help="of ours a run; RecTools makes one")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of ours")
    return parser.parse_args()


def main() -> int:
    """Measure and print."""
    options = parsed()
    torch.set_num_threads(options.threads)
    if options.sequences:  # the test's event and validation's are no part of it
        histories = without_last(without_last(read_sequences(options.sequences))[0])[0]
    else:
        histories = random_sequences(options.users, options.items, options.length + 1)
    runs = []
    for number in range(1, options.runs + 1):
        runs.append(measured(number, histories, options))
        print(json.dumps(runs[-1]), flush=True)
    print(f"\n{'':<9} {'events/s':>10}   medians of {options.runs} run(s), {options.threads} threads")
    shown = {
        "ours_tokens_per_second": ("ours", ",.0f"),
        "rectools_tokens_per_second": ("rectools", ",.0f"),
        "ratio": ("ratio", ".1f"),
    }
    for key, (name, form) in shown.items():
        if key in runs[0]:
            print(f"{name:<9} {median(run[key] for run in runs):>10{form}}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
