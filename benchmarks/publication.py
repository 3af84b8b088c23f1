"""What it costs to judge and publish lists: check and publish of a large night, beside writing its files once.

    python benchmarks/publication.py --users 1000000 --n 20

A night is made up to its staged lists (random items, as many spares as places, 1 % of the items sold out since) on
a local lake. Then `check` and `publish` run as they do every night, and after each of their runs the same staged
files are once more made into final ones and stored, which is what nobody can do without. Prints a JSON line a run
and a table of medians; the ratio is of whole processes, so that it holds the start of Spark and of Great Expectations.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from pipeline_tasks.lake import layout, tables  # noqa: E402
from pipeline_tasks.lake.local import LocalStore  # noqa: E402
from pipeline_tasks.publishing.refill import FILES_AT_ONCE, LISTS, refill_file  # noqa: E402
from pipeline_tasks.reader import bucket_of  # noqa: E402

NIGHT = date(2026, 1, 10)
CUTOFF = datetime(2026, 1, 11, tzinfo=UTC)
MODEL = "2026-01-10-aaaaaaaaaaaa"
USERS_AT_ONCE = 20_000
SOLD_OUT = 0.01
CONFIG = """
source = "made"
[sources.made.interactions]
uri = "events/*.csv"
format = "csv"
columns = { user_id = "user", item_id = "item", event_time = "time" }
[sources.made.items]
uri = "items.parquet"
format = "parquet"
columns = { item_id = "item", available = "available" }
"""


class Night:
    """A night of `users` with `n` places in each list, staged in the lake under `folder`."""

    def __init__(self, folder: Path, users: int, items: int, n: int, files: int) -> None:
        self.folder, self.n, self.files = folder, n, files
        self.store = LocalStore(folder / "lake")
        self.users = [f"u-{number:09d}" for number in range(users)]
        self.items = pa.array([f"i-{number:07d}" for number in range(items)])
        self.random = np.random.default_rng(7)

    def make(self) -> None:
        """Write the source, the tables that check joins with, and the staged lists."""
        data = self.folder / "data"
        (data / "events").mkdir(parents=True)
        (data / "events" / "a.csv").write_text("user,item,time\n")
        available = self.random.random(len(self.items)) >= SOLD_OUT
        pq.write_table(pa.table({"item": self.items, "available": available}), data / "items.parquet")
        (self.folder / "nightjar.toml").write_text(CONFIG)
        numbers = pa.array(np.arange(1, len(self.items) + 1, dtype=np.int32))
        first_seen = pa.array(np.full(len(self.items), int(CUTOFF.timestamp()) - 86_400))
        self._put("items", {"item_index": numbers, "item_id": self.items, "first_seen": first_seen})
        numbers = pa.array(np.arange(1, len(self.users) + 1, dtype=np.int32))
        self._put("users", {"user_index": numbers, "user_id": pa.array(self.users)})
        none = pa.array([[]] * len(self.users), pa.list_(pa.int32()))
        self._put("sequences", {"user_index": numbers, "items": none})
        self._stage_top_n()
        self._stage(
            "similar_items", {"item_id": self.items, "similar_item_id": self.items.take(self._shifted())}
        )
        names = pa.array(["all"] * len(self.items))
        self._stage("popular", {"list_name": names, "item_id": self.items}, np.arange(1, len(self.items) + 1))

    def _shifted(self) -> pa.Array:
        return pa.array(np.roll(np.arange(len(self.items)), 1))

    def _put(self, table: str, columns: dict[str, pa.Array]) -> None:
        tables.write_table(self.store, layout.night(f"training/{table}", NIGHT), pa.table(columns))

    def _stage(self, table: str, columns: dict[str, pa.Array], ranks: Any = 1) -> None:
        rows = len(self.items)
        (owner, own), (item, found) = columns.items()
        made = pa.table(
            {
                owner: own,
                "rank": pa.array(np.broadcast_to(ranks, rows).astype(np.int32)),
                item: found,
                "score": pa.array(np.linspace(1, 0, rows, dtype=np.float32)),
            }
        )
        tables.write_table(self.store, layout.night(f"staged/{table}", NIGHT), made)

    def _stage_top_n(self) -> None:
        by_file: list[list[str]] = [[] for _ in range(self.files)]
        for user in self.users:
            by_file[bucket_of(user, self.files)].append(user)
        paths = [self.folder / f"staged-{number}.parquet" for number in range(self.files)]
        for number, path in enumerate(paths):
            blocks = self._blocks(by_file[number], number)
            first = next(blocks)
            with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
                writer.write_table(first)
                for block in blocks:
                    writer.write_table(block)
        facts = {
            "n": self.n,
            "files": self.files,
            "users": len(self.users),
            "model_version": MODEL,
            "model_name": "transformer",
            "model_cutoff": CUTOFF.isoformat(),
            "trials": {},
            "data_cutoff": CUTOFF.isoformat(),
        }
        rows = 2 * self.n * len(self.users)
        tables.write_files(self.store, layout.night("staged/top_n", NIGHT), paths, rows=rows, facts=facts)
        for path in paths:
            path.unlink()

    def _blocks(self, users: list[str], bucket: int) -> Iterator[pa.Table]:
        """Yield the rows of `users`: different items each, with n spares, scores that fall."""
        wide = 2 * self.n
        for first in range(0, len(users), USERS_AT_ONCE):
            block = users[first : first + USERS_AT_ONCE]
            start = self.random.integers(0, len(self.items), (len(block), 1))
            step = self.random.integers(1, len(self.items) // wide, (len(block), 1))
            listed = (start + step * np.arange(wide)) % len(self.items)
            rows = listed.size
            scores = -np.sort(-self.random.random(listed.shape, dtype=np.float32), axis=1)
            yield pa.table(
                {
                    "user_id": pa.array(np.repeat(np.array(block, object), wide), pa.string()),
                    "rank": pa.array(np.tile(np.arange(1, wide + 1, dtype=np.int32), len(block))),
                    "item_id": self.items.take(pa.array(listed.ravel())),
                    "score": pa.array(scores.ravel()),
                    "source": pa.repeat("model", rows),
                    "reason": self.items.take(pa.array(listed.ravel()[::-1].copy())),
                    "bucket": pa.array(np.full(rows, bucket, np.int32)),
                    "model_version": pa.repeat(MODEL, rows),
                    "data_cutoff": pa.repeat(pa.scalar(CUTOFF, pa.timestamp("us", "UTC")), rows),
                }
            )

    def stage(self, name: str) -> float:
        """Run a stage by the command line; return its seconds, raise SystemExit where it fails."""
        places = {
            "CONFIG": str(self.folder / "nightjar.toml"),
            "DATA": str(self.folder / "data"),
            "LAKE": self.store.uri,
            "STATE": str(self.folder / "state"),
            "RECOMMEND__EXCLUDE_SEEN": "false",
        }
        environment = {**os.environ, **{f"NIGHTJAR_{key}": value for key, value in places.items()}}
        command = [sys.executable, "-m", "pipeline_tasks", name, "--run-date", str(NIGHT)]
        begin = time.perf_counter()
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            raise SystemExit(f"{name} ended with {done.returncode}: {done.stdout.decode()}")
        return time.perf_counter() - begin

    def write_once(self) -> float:
        """Make the final files of top_n from the staged ones and store them, as many at once as check; return the seconds."""
        partition = layout.night("staged/top_n", NIGHT)

        def write(source: Path) -> None:
            made = self.folder / f"once-{source.name}"
            refill_file(source, made, LISTS["top_n"], self.items.slice(0, 0), self.n)
            self.store.upload(made, f"once/{source.name}")
            made.unlink()

        sources = tables.local_files(self.store, partition, "recommend", self.folder)
        begin = time.perf_counter()
        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            list(pool.map(write, sources))
        seconds = time.perf_counter() - begin
        self.store.delete(self.store.keys("once/"))
        return seconds

    def forget(self) -> None:
        """Take back what check and publish have written."""
        self.store.delete(self.store.keys("recommendations/"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory(prefix="nightjar-benchmark-") as folder:
        night = Night(Path(folder), asked.users, asked.items, asked.n, asked.files)
        night.make()
        for _ in range(asked.runs):
            night.forget()
            seconds = {
                "write": night.write_once(),
                **{name: night.stage(name) for name in ("check", "publish")},
            }
            runs.append({name: round(value, 2) for name, value in seconds.items()})
            print(json.dumps({"users": asked.users, "n": asked.n, **runs[-1]}), flush=True)
    print(f"\n{asked.users:,} users, {asked.n} places, medians of {asked.runs} runs")
    for name in runs[0]:
        print(f"{name:<10}{median(run[name] for run in runs):8.2f} s")
    more = median((run["check"] + run["publish"]) / run["write"] for run in runs) - 1
    print(f"check and publish cost {more:.0%} over writing the files once")


if __name__ == "__main__":
    main()
