"""What users did next, by global time: MovieLens' layout in, the quality of models' lists over several cuts out.

    python benchmarks/temporal.py --data ../shared/data/movielens-latest-small

A cut is a moment: a model learns from every event before it, and the users who have one are asked what new items
they take in the window of some days after it. The data alone say where the cuts are: the newest --cuts windows
of --days days, side by side, the last one ending with the midnight (UTC) after the newest event; while they hold
fewer than --cases cases together (a user of a window), each grows by --days more, as long as the history reaches.

All items are ranked but those that the user has had; whether a rating was high does not matter. Of --set, dim=128
is for our models, and rectools.seconds=30 for that peer. Prints a JSON line a model, its means over all cases with
bootstrap intervals (95 %, over cases), and then a table.

With --ranking there are two rows more, "night" and "night with ranking": at each cut the product's stages run up to
train, for the night that ends there. These nights take some minutes each; --night features.snapshots=60 is for them.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison import K, Outcome, line, table
from benchmarks.movielens import read_movielens
from benchmarks.ours import add_fit_arguments, fitted
from benchmarks.peer import PEERS, peers_python, run_peer
from benchmarks.second_stage import SecondStage
from pipeline_tasks import settings
from pipeline_tasks.errors import Refused
from pipeline_tasks.evaluation.lists import top_lists
from pipeline_tasks.evaluation.metrics import measure
from pipeline_tasks.evaluation.splits import DAY_SECONDS
from pipeline_tasks.evaluation.trials import Trial, trial_after
from pipeline_tasks.model_store import KINDS
from pipeline_tasks.models.data import Catalogue, Histories

NIGHT, RANKED = "night", "night with ranking"
MODELS = ("transformer", "popular", "ease", "item_knn", "als")
# the peers, and what differs here from their options elsewhere
PEER_OPTIONS: dict[str, dict[str, Any]] = {
    "rectools": {"seconds": 60, "batch_size": 16},
    "implicit": {},
    "rectools-ease": {},
}


@dataclass(frozen=True)
class Past:
    """All that a model may know at the moment `cut` (Unix seconds), and `asked`, the histories that lists are for."""

    cut: int
    events: Histories
    asked: Histories
    catalogue: Catalogue


def windows(histories: Histories, cuts: int, days: int, cases: int) -> tuple[int, dict[int, Trial]]:
    """Return how many days the windows have, and each one's cut and cases, oldest first; see above.

    Where no length gives so many cases, it is the one that gives most. Raises Refused where none gives any.
    """
    end = (int(histories.times.max()) // DAY_SECONDS + 1) * DAY_SECONDS
    longest = max(1, (end - int(histories.times.min())) // (cuts * days * DAY_SECONDS))
    best: tuple[int, int, dict[int, Trial]] = (0, 0, {})
    for length in range(days, longest * days + 1, days):
        trials = _trials(histories, [end - n * length * DAY_SECONDS for n in range(cuts, 0, -1)], length)
        best = max(
            best, (sum(len(trial.truth) for trial in trials.values()), length, trials), key=lambda x: x[0]
        )
        if best[0] >= cases:
            break
    if not best[0]:
        raise Refused("nobody has events both before and in a window", "ask for more --days")
    return best[1:]


def _trials(histories: Histories, cuts: Sequence[int], days: int) -> dict[int, Trial]:
    """Return the cases of the windows that have some, by their cuts."""
    most = settings.load().evaluate.max_users
    found = {
        cut: trial_after(histories.before(cut + days * DAY_SECONDS), cut, most, novel=True) for cut in cuts
    }
    return {cut: trial for cut, trial in found.items() if len(trial.truth)}


def _ours(name: str, past: Past, options: argparse.Namespace) -> NDArray[np.int32]:
    own = [pair for pair in options.set if "." not in pair.partition("=")[0]]
    asked = argparse.Namespace(model=name, seed=options.seed, threads=options.threads, set=own)
    model, _ = fitted(asked, past.events, past.catalogue, past.cut)
    return top_lists(model, past.asked, K, past.catalogue.n_items, exclude_seen=True)


def _theirs(name: str, past: Past, options: argparse.Namespace) -> NDArray[np.int32]:
    own = [pair.removeprefix(f"{name}.").split("=", 1) for pair in options.set if pair.startswith(f"{name}.")]
    chosen = PEER_OPTIONS.get(name, {}) | {key: json.loads(value) for key, value in own}
    events = past.events
    lists, _ = run_peer(
        name,
        events.offsets,
        events.items,
        past.catalogue.n_items,
        k=K,
        threads=options.threads,
        seed=options.seed,
        **chosen,
    )
    return lists[np.searchsorted(events.users, past.asked.users)]


def _of_night(name: str, past: Past, options: argparse.Namespace) -> NDArray[np.int32]:
    made = options.second_stage.made(past.cut, past.asked)
    lists: NDArray[np.int32] = made.alone if name == NIGHT else made.ranked
    return lists


def _second_stage(options: argparse.Namespace) -> SecondStage:
    """Return the nights that --seed, --threads, --set and --night ask for."""
    pairs = [
        f"seed={options.seed}",
        f"train.threads={options.threads}",
        *(f"train.{pair}" for pair in options.set if "." not in pair.partition("=")[0]),
        *options.night,
    ]
    return SecondStage(options.data, dict(pair.split("=", 1) for pair in pairs), K)


# what makes a name's lists of a past: (asked, K), 0 where there are no more
MAKERS: dict[str, Callable[[str, Past, argparse.Namespace], NDArray[np.int32]]] = {
    **dict.fromkeys(KINDS, _ours),
    **dict.fromkeys(PEERS, _theirs),
    **dict.fromkeys((NIGHT, RANKED), _of_night),
}


def outcome(
    name: str,
    histories: Histories,
    trials: dict[int, Trial],
    catalogue: Catalogue,
    options: argparse.Namespace,
) -> Outcome:
    """Return the model's lists at every cut, measured."""
    begin, found = time.monotonic(), []
    for cut, trial in trials.items():
        past = Past(cut, histories.before(cut), trial.known, catalogue)
        found.append(measure(MAKERS[name](name, past, options), trial.truth, K, catalogue.n_items))
        day = datetime.fromtimestamp(cut, UTC).date()
        print(
            f"{name}, {day}: {found[-1].ndcg.mean():.4f} of {len(trial.truth)}", file=sys.stderr, flush=True
        )
    ndcg, recall, first = (
        np.concatenate([getattr(each, of) for each in found]) for of in ("ndcg", "recall", "mrr")
    )
    return Outcome(name, ndcg, recall, first > 0, time.monotonic() - begin)


def main() -> None:
    options = _arguments()
    if options.peer:
        peers_python()  # refuses now rather than after the others' hours
    histories, catalogue = read_movielens(options.data, options.seed)
    if options.until:
        midnight = datetime.combine(options.until, datetime.min.time(), UTC)
        histories = histories.before(int(midnight.timestamp()))
    days, trials = windows(histories, options.cuts, options.days, options.cases)
    shape = {"cuts": len(trials), "days": days, "seed": options.seed, "set": options.set}
    lines, reference = [], None
    options.second_stage = _second_stage(options) if options.ranking else None
    for name in (*options.model, *((NIGHT, RANKED) if options.ranking else ()), *options.peer):
        found = outcome(name, histories, trials, catalogue, options)
        reference = reference or found
        lines.append(line(found, reference, options.seed))
        print(json.dumps(lines[-1] | shape), flush=True)
    print(f"\n{lines[0]['cases']} cases at {len(trials)} cuts, windows of {days} days\n\n{table(lines)}")
    if options.ranking:
        print(f"\n{options.second_stage.told()}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of ratings.csv and movies.csv")
    parser.add_argument("--cuts", type=int, default=12, help="windows")
    parser.add_argument("--days", type=int, default=28, help="of a window, and by how many it grows")
    parser.add_argument("--cases", type=int, default=200, help="that the windows grow for")
    parser.add_argument(
        "--until", type=date.fromisoformat, help="leave out all from this day on: to choose settings by"
    )
    parser.add_argument(
        "--model",
        nargs="*",
        choices=sorted(KINDS),
        default=MODELS,
        help="the first is the reference",
    )
    parser.add_argument(
        "--peer", nargs="*", choices=sorted(PEERS), default=tuple(PEER_OPTIONS), help="of make peers"
    )
    parser.add_argument("--ranking", action="store_true", help="also the product's nights, see above")
    parser.add_argument("--night", nargs="*", default=[], help="settings of these nights")
    add_fit_arguments(parser)
    options = parser.parse_args()
    if options.cuts < 1 or options.days < 1 or not (options.model or options.peer or options.ranking):
        parser.error("--cuts and --days are 1 or more, and a model or a peer is needed")
    return options


if __name__ == "__main__":
    main()
