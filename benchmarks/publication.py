"""What it costs to judge and publish lists: check and publish of a large night, beside writing its files once.

    python benchmarks/publication.py --users 1000000 --n 20
    python benchmarks/publication.py --users 1000000 --n 20 --events 50

A night is made up to its staged lists (random items, as many spares as places, 1 % of the items sold out since) on
a local lake. Then `check` and `publish` run as they do every night, and before each of their runs the same staged
files are made into final ones and stored, which is what nobody can do without. It is the lake's first night, and its
users have no history; with `--events` they have so many events each, none of which may be in their lists, and the lists
of the night before, one place further on, are live. Prints a JSON line a run and a table of medians; the ratio is of
whole processes.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.publication_night import Night
from pipeline_tasks.settings.models import RecommendSettings


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--files", type=int, help="of top_n; by default as many as recommend makes")
    parser.add_argument(
        "--events", type=int, default=0, help="of each user; with some, the night before is live"
    )
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    files = asked.files or RecommendSettings(n=asked.n).files_for(asked.users)
    runs = []
    with tempfile.TemporaryDirectory(prefix="nightjar-benchmark-") as folder:
        night = Night(Path(folder), asked.users, asked.items, asked.n, files, asked.events)
        night.make()
        if asked.events:
            night.publish_before()
        for _ in range(asked.runs):
            night.forget()
            seconds = {
                "write": night.write_once(),
                **{name: night.stage(name) for name in ("check", "publish")},
            }
            runs.append({name: round(value, 2) for name, value in seconds.items()})
            print(
                json.dumps({"users": asked.users, "n": asked.n, "events": asked.events, **runs[-1]}),
                flush=True,
            )
    print(f"\n{asked.users:,} users, {asked.n} places, {asked.events} events, medians of {asked.runs} runs")
    for name in runs[0]:
        print(f"{name:<10}{median(run[name] for run in runs):8.2f} s")
    more = median((run["check"] + run["publish"]) / run["write"] for run in runs) - 1
    print(f"check and publish cost {more:.0%} over writing the files once")


if __name__ == "__main__":
    main()
