"""Faults that must lose nothing: worlds drawn by seed, and races of publishers; each failure's seed, and a table out.

    python benchmarks/faults.py --store local --seeds 1000
    python benchmarks/faults.py --store s3 --seeds 1000
    python benchmarks/faults.py --store s3 --seed 17
    python benchmarks/faults.py --store local --race --publishers 64 --rounds 200

A world is an act (check, publish, release, rollback, retention) whose process is killed at a step or at an instant, on a
store that fails, beside readers and sometimes a rival; tests/faults has them. On S3 (moto, in a process of its own) a
faulty proxy lies between. A seed gives the same world; where in it an instant falls is the machine's. It ends with 1
where something was lost.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.faults import worlds
from tests.faults.acts import ACTS
from tests.faults.lakes import lake_of, origin
from tests.faults.proxy import proxied
from tests.faults.race import race
from tests.faults.s3_server import s3_server
from tests.faults.worlds import FAULTS_OF, Kind, Outcome, world_of

PROGRESS = 100


def happen(kind: Kind, seeds: Sequence[int], workers: int, endpoint: str) -> Iterator[Outcome]:
    """Let the worlds of these seeds happen, some at a time; yield each outcome as it comes."""
    with (
        tempfile.TemporaryDirectory(prefix="nightjar-faults-") as folder,
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool,
    ):
        beginning = origin(Path(folder))
        begun = [pool.submit(worlds.run, world_of(seed, kind), beginning, endpoint) for seed in seeds]
        for number, done in enumerate(as_completed(begun), start=1):
            yield done.result()
            if number % PROGRESS == 0:
                print(f"{number} of {len(seeds)} worlds", file=sys.stderr, flush=True)


def told(outcome: Outcome) -> str:
    """Return an outcome as a JSON line, with the command that lets its world happen again."""
    world = {key: value for key, value in asdict(outcome.world).items() if key != "steps"}
    again = f"python benchmarks/faults.py --store {outcome.world.kind} --seed {outcome.world.seed}"
    return json.dumps({**world, "endings": outcome.endings, "wrong": outcome.wrong, "again": again})


def table(outcomes: Iterable[Outcome], kind: Kind) -> str:
    """Return failures/runs by fault and act, and what readers read meanwhile, in text."""
    runs, failures, reads, said = Counter(), Counter(), Counter(), Counter()  # type: ignore[var-annotated]
    for outcome in outcomes:
        world = outcome.world
        for cell in ((fault, act) for fault in (world.fault, "all") for act in (world.act, "all")):
            runs[cell] += 1
            failures[cell] += bool(outcome.wrong)
        for fault in (world.fault, "all"):
            reads[fault] += outcome.seen.reads
            said[fault] += outcome.seen.said
    columns = (*ACTS, "all")
    rows = [["fault", *columns, "reads", "reads that failed"]]
    for fault in (*FAULTS_OF[kind], "all"):
        cells = [f"{failures[fault, act]}/{runs[fault, act]}" for act in columns]
        rows.append([fault, *cells, f"{reads[fault]:,}", f"{said[fault]:,}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.rjust, row, widths)) for row in rows)


def run_worlds(options: argparse.Namespace, endpoint: str) -> int:
    seeds = range(options.seeds) if options.seed is None else [options.seed]
    begun, outcomes = time.perf_counter(), []
    for outcome in happen(options.store, seeds, options.workers, endpoint):
        outcomes.append(outcome)
        if outcome.wrong or options.seed is not None:
            print(told(outcome), flush=True)
    failed = sorted(outcome.world.seed for outcome in outcomes if outcome.wrong)
    killed = sum("killed" in outcome.endings for outcome in outcomes)
    met = sum(outcome.faults for outcome in outcomes)
    print(f"\nFailures/worlds by fault and act, {options.store}\n{table(outcomes, options.store)}")
    print(
        f"{len(outcomes):,} worlds, {killed:,} of them with a kill, {met:,} faults of the store, "
        f"{time.perf_counter() - begun:.0f} s; seeds that failed: {', '.join(map(str, failed)) or 'none'}"
    )
    return int(bool(failed))


def run_race(options: argparse.Namespace, endpoint: str) -> int:
    begun = time.perf_counter()
    with lake_for_race(options.store, endpoint) as uri:
        wrong = race(uri, options.publishers, options.rounds)
    for each in wrong:
        print(json.dumps({"wrong": each}), flush=True)
    print(
        f"{options.publishers} publishers, {options.rounds} rounds, {options.store}: {len(wrong)} wrong, "
        f"{time.perf_counter() - begun:.0f} s"
    )
    return int(bool(wrong))


@contextmanager
def lake_for_race(kind: Kind, endpoint: str) -> Iterator[str]:
    """Give an empty lake; on S3 behind a proxy that lets one create through at a time."""
    with (
        tempfile.TemporaryDirectory(prefix="nightjar-faults-") as folder,
        proxied(endpoint) if endpoint else nullcontext() as proxy,
        lake_of({}, kind, Path(folder, "lake")) as store,
    ):
        if proxy:
            worlds.use(proxy.url)
        yield store.uri


def main() -> int:
    """Run what is asked for; 1 where something was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", choices=("local", "s3"), default="local")
    parser.add_argument("--seeds", type=int, default=1000, help="the worlds of seeds 0 up to this")
    parser.add_argument("--seed", type=int, help="one world alone")
    parser.add_argument("--workers", type=int, default=4, help="worlds at a time; they mostly wait")
    parser.add_argument("--race", action="store_true", help="publishers that race, in place of worlds")
    parser.add_argument("--publishers", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    with s3_server() if options.store == "s3" else nullcontext("") as endpoint:
        return run_race(options, endpoint) if options.race else run_worlds(options, endpoint)


if __name__ == "__main__":
    sys.exit(main())
