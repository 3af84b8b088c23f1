"""What ranking adds: a source's nights, one after another, in; lists of the holdout's users with and without it out.

Each night runs the product's stages up to `evaluate` on a lake of its own, so that everything is as it is every
night: examples joined point-in-time by Feast, a ranker kept only where the days before the holdout speak for it.
Prints a JSON line a night, then a table of means over the nights' users.
"""

import argparse
import json
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.nights import Nights

METRIC = "ndcg@10"


def run_night(nights: Nights, night: date) -> dict[str, Any]:
    """Run a night's stages and return its users and metrics; raises SystemExit where one fails."""
    nights.run(night, "evaluate")
    found = nights.facts(night, "evaluate")
    return {
        "night": str(night),
        "users": found["holdout"]["users"],
        "metrics": by_kind(found["metrics"]),
        "ranking": nights.facts(night, "train").get("ranking"),
    }


def by_kind(metrics: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the NDCG of each baseline, of retrieval alone, and with ranking (the same where there is none)."""
    found = {name: own[METRIC] for name, own in metrics.items() if " " not in name}
    tonight = {name: own[METRIC] for name, own in metrics.items() if name.startswith("challenger ")}
    alone = next(value for name, value in tonight.items() if "with ranking" not in name)
    return found | {
        "retrieval": alone,
        "with ranking": next((value for name, value in tonight.items() if "with ranking" in name), alone),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="sample", help="folder of the source's files")
    parser.add_argument(
        "--run-date", type=date.fromisoformat, default=date(2026, 6, 30), help="the last night"
    )
    parser.add_argument("--nights", type=int, default=5, help="how many, up to the last")
    asked = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory(prefix="nightjar-benchmark-") as folder:
        for back in reversed(range(asked.nights)):
            runs.append(run_night(Nights(asked.data, Path(folder)), asked.run_date - timedelta(days=back)))
            print(json.dumps(runs[-1]), flush=True)
    users = sum(run["users"] for run in runs)
    print(f"\n{users} users of {len(runs)} nights, {METRIC}")
    for name in runs[-1]["metrics"]:
        mean = sum(run["users"] * run["metrics"][name] for run in runs) / users
        better = sum(run["metrics"][name] > run["metrics"]["retrieval"] for run in runs)
        print(f"{name:<14} {mean:.4f}   above retrieval on {better} nights")


if __name__ == "__main__":
    main()
