"""The search for train settings on a file of sequences: ideas in, each idea's validation out.

The test item of leave_one_out.py, each user's last, is taken off first and never read. Looked for is the last one
that is left, among all items but those seen, by a model fitted on what came before it; the model's own early
stopping uses users inside that. Ideas are tried in the order written, on top of the best settings so far, and
kept where NDCG rises. Prints a JSON line a trial, then a table; the first trial is the settings as they are, or as
--set has them.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.comparison import told
from benchmarks.ours import add_times, arguments, fitted
from benchmarks.sequences import read_catalogue, read_sequences, without_last
from pipeline_tasks.evaluation.lists import top_lists
from pipeline_tasks.evaluation.metrics import measure
from pipeline_tasks.models.data import Catalogue, Histories

K = 10
NDCG = f"NDCG@{K}"
Changes = dict[str, float]
# in the order of expected gain; what is changed together is expected to need it
IDEAS: tuple[Changes, ...] = (
    {"negatives": 8192},
    {"negatives": 2048},
    {"temperature": 0.07},
    {"temperature": 0.14},
    {"dropout": 0.2},
    {"dropout": 0.5},
    {"batch_events": 4096},
    {"dim": 128},
    {"dim": 256, "dropout": 0.5},
    {"learning_rate": 1e-3},
    {"learning_rate": 3e-3},
    {"weight_decay": 0.1},
    {"blocks": 2},
    {"patience": 4},
)
# these act on content only
CONTENT_IDEAS: tuple[Changes, ...] = ({"id_dropout": 0.0}, {"id_dropout": 0.2}, {"id_dropout": 0.3})


@dataclass(frozen=True)
class Trial:
    """What was tried on top of the settings as they are, what came out, and whether it is the best so far."""

    changes: Changes
    found: dict[str, Any]
    kept: bool


def walk(judge: Callable[[Changes], dict[str, Any]], ideas: Sequence[Changes]) -> Iterator[Trial]:
    """Try the settings as they are, then each idea that changes the best so far; keep what is better."""
    best: Changes = {}
    highest = judge(best)
    tried = [best]
    yield Trial(best, highest, kept=True)
    for idea in ideas:
        changes = best | idea
        if changes in tried:
            continue
        tried.append(changes)
        found = judge(changes)
        kept = found[NDCG] > highest[NDCG]
        if kept:
            best, highest = changes, found
        yield Trial(changes, found, kept)


def question(histories: Histories) -> tuple[Histories, Histories]:
    """Return what a model is fitted on, and the item each user has next: neither holds a user's last item."""
    before_test, _ = without_last(histories)
    return without_last(before_test)


def main() -> None:
    asked = _arguments()
    known, truth = question(read_sequences(asked.sequences, asked.times))
    n_items = int(max(known.items.max(), truth.items.max()))
    catalogue = read_catalogue(n_items, asked.item_text, asked.item_attributes, asked.seed)
    ideas = asked.ideas or (*(CONTENT_IDEAS if catalogue.content.any() else ()), *IDEAS)
    judge = partial(_judged, asked, known, truth, catalogue)
    trials = walk(judge, ideas[: asked.trials - 1] if asked.trials else ideas)
    lines = []
    for number, trial in enumerate(trials, start=1):
        line = {"trial": number, "seed": asked.seed, "set": asked.set, "changes": trial.changes}
        lines.append({**line, "kept": trial.kept, **trial.found})
        print(json.dumps(lines[-1]), flush=True)
    shown = [{**line, "changes": json.dumps(line["changes"]), "kept": str(line["kept"])} for line in lines]
    print(f"\n{told(shown, ('trial', 'changes', f'HR@{K}', NDCG, 'epochs', 'train_seconds', 'kept'))}")


def _judged(
    asked: argparse.Namespace, known: Histories, truth: Histories, catalogue: Catalogue, changes: Changes
) -> dict[str, Any]:
    wishes = [*asked.set, *(f"{key}={value}" for key, value in changes.items())]
    model, facts = fitted(argparse.Namespace(**{**vars(asked), "set": wishes}), known, catalogue)
    lists = top_lists(model, known, K, catalogue.n_items, exclude_seen=True)
    found = measure(lists, truth, K, catalogue.n_items)
    recall, ndcg = float(found.recall.mean()), float(found.ndcg.mean())
    return {f"HR@{K}": round(recall, 5), NDCG: round(ndcg, 5), **facts}


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__)
    add_times(parser)
    parser.add_argument("--trials", type=int, default=0, help="at most; 0 is all")
    parser.add_argument("--ideas", nargs="*", type=json.loads, help='in place of those written: {"dim":128}')
    return parser.parse_args()


if __name__ == "__main__":
    main()
