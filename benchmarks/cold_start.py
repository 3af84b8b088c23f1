"""Items without a single interaction: a share of the catalogue is hidden from training, then looked for.

A user with an event on a hidden item is asked after what came before it; the truth is that item. Ranked are
the hidden items alone, and all items that the user has not seen. Beside it stand k / items, what a random list
finds, and the popular list, which cannot hold an item without events: where all items are ranked it finds nothing
while others are left, and among the hidden ones it is no better than random. Prints a JSON line a run, then a table.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.comparison import told
from benchmarks.ours import arguments, fitted
from benchmarks.sequences import read_catalogue, read_sequences
from pipeline_tasks.evaluation.lists import top_lists
from pipeline_tasks.evaluation.metrics import measure
from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import Model

AT = (10, 50)


def hide(
    histories: Histories, n_items: int, share: float, seed: int
) -> tuple[NDArray[np.bool_], Histories, Histories, Histories]:
    """Return which items (n_items + 1,) are hidden, what may be learnt, and of each question history and truth."""
    hidden = np.zeros(n_items + 1, dtype=bool)
    chosen = np.random.default_rng(seed).permutation(n_items)[: round(share * n_items)] + 1
    hidden[chosen] = True
    cold = hidden[histories.items]
    position = np.arange(len(cold))
    none = len(cold)
    first = np.full(len(histories), none)
    np.minimum.at(first, histories.row_of_event[cold], position[cold])
    before = (position < first[histories.row_of_event]) & (first < none)[histories.row_of_event]
    known = histories.where(before)
    asked = np.isin(histories.users, known.users)
    truth = np.zeros(len(cold), dtype=bool)
    truth[first[asked]] = True
    return hidden, histories.where(~cold), known, histories.where(truth)


def recalls(model: Model, known: Histories, truth: Histories, allowed: NDArray[np.bool_]) -> dict[str, float]:
    """Return recall at each of AT of lists of the allowed items."""
    lists = top_lists(model, known, max(AT), len(allowed) - 1, exclude_seen=True, allowed=allowed)
    return {f"recall@{k}": float(measure(lists, truth, k, len(allowed) - 1).recall.mean()) for k in AT}


def main() -> None:
    asked = _arguments()
    histories = read_sequences(asked.sequences)
    n_items = int(histories.items.max())
    hidden, learnt, known, truth = hide(histories, n_items, asked.share, asked.seed)
    catalogue = read_catalogue(n_items, asked.item_text, asked.item_attributes, asked.seed)
    model, _ = fitted(asked, learnt, catalogue)
    popular, _ = fitted(argparse.Namespace(**{**vars(asked), "model": "popular"}), learnt, catalogue)
    everything = np.ones(n_items + 1, dtype=bool)
    line = {
        "model": asked.model,
        "seed": asked.seed,
        "questions": len(known),
        "hidden_items": int(hidden.sum()),
    }
    for pool, allowed in (("hidden", hidden), ("all", everything)):
        for name, value in recalls(model, known, truth, allowed).items():
            random = int(name.partition("@")[2]) / int(allowed[1:].sum())
            line |= {f"{pool} {name}": round(value, 4), f"{pool} {name} / random": round(value / random, 1)}
    for name, value in recalls(popular, known, truth, everything).items():
        line[f"all {name}, popular"] = round(value, 4)
    print(json.dumps(line), flush=True)
    rows = [{"measure": name, "found": value} for name, value in line.items() if "recall" in name]
    print(f"\n{told(rows, ('measure', 'found'))}")


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--share", type=float, default=0.1, help="of the items, hidden from training")
    return parser.parse_args()


if __name__ == "__main__":
    main()
