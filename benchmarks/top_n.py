"""Top-N of all users: random vectors in, users a second and memory of ours, of other libraries and of bare products.

    python benchmarks/top_n.py --users 100000 --items 10000 100000 --dim 128 --top 100 --seen 50

Every contestant runs alone in a process of its own, in turns, `--runs` times; seen items are excluded. It prints
one JSON line a run, then a table of medians. Lists are compared with ours: where another item stands, how far
apart the exact scores (in 64 bits) of the two are says whether that is a tie in 32 bits. With `--device cuda` ours
and torch work on a GPU, without the other libraries.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from benchmarks.peer import SCRIPTS, cores, peers_python, run_script
from benchmarks.peers.protocol import Arrays

MIB = 1 << 20
OURS, BARE, PLAIN, PEERS = "ours", "gemm", "torch", ("implicit", "faiss")
# how far apart exact scores may be, in shares of the largest, that 32 bits do not order the same
TIE = 1e-6
_OWN = Path(__file__).resolve().parent / "top_n_ours.py"


def problem(users: int, items: int, dim: int, seen: int, seed: int = 0) -> Arrays:
    """Return vectors of users and items, and `seen` distinct items (from 1) of each user, in CSR form."""
    generator = np.random.default_rng(seed)
    start = generator.integers(0, items, (users, 1))
    stride = items // max(seen, 1)
    return {
        "users": generator.standard_normal((users, dim), dtype=np.float32),
        "vectors": generator.standard_normal((items, dim), dtype=np.float32),
        "offsets": np.arange(users + 1, dtype=np.int64) * seen,
        "items": ((start + np.arange(seen) * stride) % items + 1).astype(np.int32).flatten(),
    }


def measure(how: str, arrays: Arrays, options: dict[str, Any]) -> tuple[NDArray[np.int32], dict[str, Any]]:
    """Return a contestant's lists and what it took."""
    if how in PEERS:
        found, facts = run_script(peers_python(), SCRIPTS / f"{how}_topk.py", arrays, options)
    else:
        found, facts = run_script(sys.executable, _OWN, arrays, {**options, "how": how})
    facts["users_per_second"] = len(arrays["users"]) / facts["seconds"]
    return found["lists"], facts


def compared(ours: NDArray[np.int32], theirs: NDArray[np.int32], arrays: Arrays) -> dict[str, int]:
    """Return at how many places the lists differ, and at how many of these it is not by a tie."""
    rows, places = np.nonzero(ours != theirs)
    exact = [
        np.einsum(
            "ij,ij->i",
            arrays["users"][rows].astype(np.float64),
            arrays["vectors"][lists[rows, places] - 1].astype(np.float64),
        )
        for lists in (ours, theirs)
    ]
    apart = np.abs(exact[0] - exact[1]) > TIE * np.abs(exact[0])
    return {"differ": len(rows), "differ_beyond_ties": int(apart.sum())}


def contestants(options: argparse.Namespace) -> tuple[str, ...]:
    """Return who takes part."""
    return (OURS, BARE, PLAIN) if options.device == "cuda" else (OURS, BARE, PLAIN, *PEERS)


def runs_of(items: int, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield what each contestant took in each run."""
    arrays = problem(options.users, items, options.dim, options.seen)
    job = {"k": options.top, "threads": options.threads, "device": options.device}
    for number in range(1, options.runs + 1):
        reference = None
        for how in contestants(options):
            lists, facts = measure(how, arrays, job)
            line = {"run": number, "items": items, "users": options.users, "how": how, **facts}
            if how == OURS:
                reference = lists
            elif how != BARE and reference is not None:
                line |= compared(reference, lists, arrays)
            yield line


def table(runs: list[dict[str, Any]]) -> str:
    """Return the medians in text."""
    lines = [
        f"{'items':>8} {'':<9} {'users/s':>9} {'ours/it':>8} {'peak MiB':>9} {'differ':>7} {'not ties':>9}"
    ]
    for items in dict.fromkeys(run["items"] for run in runs):
        speeds = {
            how: median(run["users_per_second"] for run in runs if (run["items"], run["how"]) == (items, how))
            for how in dict.fromkeys(run["how"] for run in runs)
        }
        for how, speed in speeds.items():
            own = [run for run in runs if (run["items"], run["how"]) == (items, how)]
            peak = median(run["peak_bytes"] for run in own) / MIB
            differ, apart = (max(run.get(key, 0) for run in own) for key in ("differ", "differ_beyond_ties"))
            ratio = speeds[OURS] / speed
            lines.append(
                f"{items:>8} {how:<9} {speed:>9,.0f} {ratio:>8.2f} {peak:>9,.0f} {differ:>7} {apart:>9}"
            )
    return "\n".join(lines)


def main() -> int:
    """Measure and print; 1 if lists differ by more than ties."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--top", type=int, default=100)
    parser.add_argument("--seen", type=int, default=50)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    runs = []
    for items in options.items:
        for line in runs_of(items, options):
            runs.append(line)
            print(json.dumps(line), flush=True)
    print(f"\nMedians of {options.runs} run(s), {options.threads} threads\n{table(runs)}")
    return int(any(run.get("differ_beyond_ties") for run in runs))


if __name__ == "__main__":
    sys.exit(main())
