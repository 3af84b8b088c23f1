"""A night's cost: a data folder and its night come in, every stage's seconds and peak memory come out.

    python benchmarks/nightly.py --data sample --run-date 2026-06-30 --runs 3

Each run is `python -m pipeline_tasks nightly` on an empty lake. It prints one JSON line a run, then a table
of medians; how long the DAG file takes to parse is measured apart.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from pipeline_tasks.lake.local import LocalStore  # noqa: E402
from pipeline_tasks.lake.records import STAGES, read_night  # noqa: E402

GIB = 1 << 30
# Airflow itself aside: its DAG processor has imported that long before it parses a file.
_PARSE = """
import time, airflow.sdk, airflow.providers.standard.operators.bash
begin = time.perf_counter()
import nightly_recommendations
print(time.perf_counter() - begin)
"""


def run_night(data: str, run_date: date) -> dict[str, Any]:
    """Run the night once on a lake of its own; return wall time, exit code and what each stage took."""
    with tempfile.TemporaryDirectory(prefix="nightjar-benchmark-") as folder:
        lake = Path(folder, "lake")
        environment = {
            **os.environ,
            "NIGHTJAR_DATA": data,
            "NIGHTJAR_LAKE": lake.as_uri(),
            "NIGHTJAR_STATE": str(Path(folder, "state")),
        }
        command = [sys.executable, "-m", "pipeline_tasks", "nightly", "--run-date", str(run_date)]
        begin = time.perf_counter()
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=sys.stderr, check=False)
        wall = time.perf_counter() - begin
        stages = {
            stage: {"seconds": round(record.seconds, 2), "peak_rss_bytes": record.peak_rss_bytes}
            for stage, record in read_night(LocalStore(lake), run_date).items()
        }
    return {"exit": done.returncode, "wall_seconds": round(wall, 2), "stages": stages}


def parse_seconds() -> float:
    """Return the seconds that a fresh interpreter takes to import the nightly DAG's file."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(CHECKOUT), str(CHECKOUT / "dags"))),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    with tempfile.TemporaryDirectory(prefix="nightjar-benchmark-") as home:
        environment["AIRFLOW_HOME"] = home
        done = subprocess.run(
            [sys.executable, "-c", _PARSE], env=environment, capture_output=True, text=True, check=True
        )
    return float(done.stdout.split()[-1])


def table(runs: list[dict[str, Any]]) -> str:
    """Return the medians of `runs` by stage, in text."""
    lines = [f"{'stage':<12} {'seconds':>8} {'peak GiB':>9}"]
    for stage in STAGES:
        found = [run["stages"][stage] for run in runs if stage in run["stages"]]
        if found:
            seconds = median(entry["seconds"] for entry in found)
            peak = median(entry["peak_rss_bytes"] for entry in found) / GIB
            lines.append(f"{stage:<12} {seconds:>8.1f} {peak:>9.2f}")
    peaks = [max((e["peak_rss_bytes"] for e in run["stages"].values()), default=0) for run in runs]
    wall = median(run["wall_seconds"] for run in runs)
    return "\n".join([*lines, f"{'whole night':<12} {wall:>8.1f} {median(peaks) / GIB:>9.2f}"])


def main() -> int:
    """Measure and print; 1 if a night failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="sample", help="folder of the source's files")
    parser.add_argument("--run-date", type=date.fromisoformat, default=date(2026, 6, 30))
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be 1 or more")
    runs = []
    for number in range(1, options.runs + 1):
        runs.append(run_night(options.data, options.run_date))
        print(json.dumps({"run": number, **runs[-1]}), flush=True)
    print(f"\nMedian of {len(runs)} run(s), {os.cpu_count()} cores\n{table(runs)}")
    print(f"DAG file parsed in {median(parse_seconds() for _ in range(3)):.2f} s (Airflow imported before)")
    return int(any(run["exit"] for run in runs))


if __name__ == "__main__":
    sys.exit(main())
