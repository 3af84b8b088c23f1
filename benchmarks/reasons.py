"""Reasons: is the event that a recommendation is said to follow from the one that it would miss most?

Each event of a user's history is taken out in turn, and the fall of the recommended item's score is measured, in
standard deviations of the user's scores. Beside the named event stand the newest one, any one, and the one whose
loss costs most. Prints a JSON line a run, then a table; also what reasons cost beside the lists that they explain.

    python benchmarks/reasons.py --sequences ../shared/data/amazon-beauty/sequences.txt --set epochs=3
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.comparison import told
from benchmarks.ours import arguments, fitted
from benchmarks.sequences import read_catalogue, read_sequences
from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import Model
from pipeline_tasks.ranking.blocks import rank_users

PLACES, TIMED_PLACES = 10, 40
COST = "share of the lists' time"


def falls(model: Model, known: Histories, items: NDArray[np.int32]) -> list[NDArray[np.float64]]:
    """Return of each row (events, places): by how much the items' scores fall without each event."""
    found = []
    for row in range(len(known)):
        own = known.rows(np.array([row]))
        n = len(own.items)
        kept = ~np.eye(n, dtype=bool)
        shorter = Histories(
            np.repeat(own.users, n),
            np.arange(n + 1, dtype=np.int64) * (n - 1),
            *(np.tile(values, (n, 1))[kept] for values in (own.items, own.types, own.times)),
        )
        whole = model.score(own)[0].numpy()
        without = model.score(shorter).numpy()[:, items[row]]
        found.append((whole[items[row]] - without) / whole[np.isfinite(whole)].std())
    return found


def costs(model: Model, histories: Histories, allowed: NDArray[np.bool_]) -> float:
    """Return the time of the reasons of TIMED_PLACES as a share of that of their lists."""
    lists = reasons = 0.0
    started = time.perf_counter()
    for block in rank_users(model, histories, TIMED_PLACES, allowed, exclude_seen=True):
        ranked = time.perf_counter()
        model.reasons(block.histories, block.items)
        lists, reasons = lists + ranked - started, reasons + time.perf_counter() - ranked
        started = time.perf_counter()
    return reasons / lists


def main() -> None:
    asked = _arguments()
    histories = read_sequences(asked.sequences)
    n_items = int(histories.items.max())
    catalogue = read_catalogue(n_items, asked.item_text, asked.item_attributes, asked.seed)
    model, _ = fitted(asked, histories, catalogue)
    enough = np.flatnonzero(histories.lengths >= asked.events)
    chosen = np.sort(
        np.random.default_rng(asked.seed).choice(enough, min(asked.users, len(enough)), replace=False)
    )
    known, allowed = histories.rows(chosen), np.ones(n_items + 1, dtype=bool)
    items = np.concatenate(
        [each.items for each in rank_users(model, known, PLACES, allowed, exclude_seen=True)]
    )
    named = model.reasons(known, items) - known.offsets[:-1, None]
    fallen = falls(model, known, items)
    places = np.arange(PLACES)
    line = {
        "model": asked.model,
        "seed": asked.seed,
        "set": asked.set,
        "users": len(known),
        "named": _mean(fall[own, places] for fall, own in zip(fallen, named, strict=True)),
        "newest": _mean(fall[-1] for fall in fallen),
        "any": _mean(fall.mean(0) for fall in fallen),
        "best": _mean(fall.max(0) for fall in fallen),
        COST: round(costs(model, histories, allowed), 3),
    }
    print(json.dumps(line), flush=True)
    print(f"\n{told([line], ('model', 'named', 'newest', 'any', 'best', COST))}")


def _mean(values: Iterable[NDArray[np.float64]]) -> float:
    return round(float(np.mean(list(values))), 3)


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--users", type=int, default=600, help="who are looked at")
    parser.add_argument("--events", type=int, default=4, help="that they have at least")
    return parser.parse_args()


if __name__ == "__main__":
    main()
