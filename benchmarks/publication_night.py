"""A large night up to its staged lists, of random items, on a local lake; its check and publish, and its files written once."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.publishing.refill import FILES_AT_ONCE, LISTS, lists_writer, refill_file
from pipeline_tasks.reader import bucket_of

CHECKOUT = Path(__file__).resolve().parent.parent
NIGHT = date(2026, 1, 10)
MODEL = "2026-01-10-aaaaaaaaaaaa"
USERS_AT_ONCE = 20_000
SOLD_OUT = 0.01
OLD = 10  # one item of so many is in no list
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
    """A night of `users` with `n` places in each list, staged in the lake under `folder`.

    Users have `events` each. Lists begin `shift` places further on.
    """

    def __init__(
        self,
        folder: Path,
        users: int,
        items: int,
        n: int,
        files: int,
        events: int = 0,
        run_date: date = NIGHT,
        shift: int = 0,
    ) -> None:
        self.folder, self.n, self.files, self.events = folder, n, files, events
        self.run_date, self.shift = run_date, shift
        self.cutoff = datetime(run_date.year, run_date.month, run_date.day, tzinfo=UTC) + timedelta(days=1)
        self.kept: dict[str, bytes] = {}
        self.store = LocalStore(folder / "lake")
        self.users = [f"u-{number:09d}" for number in range(users)]
        self.items = pa.array([f"i-{number:07d}" for number in range(items)])
        self.listed = items - items // OLD  # what users had lies beyond
        self.random = np.random.default_rng(7)

    def make(self) -> None:
        """Write the source, the tables that check joins with, and the staged lists."""
        data = self.folder / "data"
        (data / "events").mkdir(parents=True, exist_ok=True)
        (data / "events" / "a.csv").write_text("user,item,time\n")
        available = self.random.random(len(self.items)) >= SOLD_OUT
        pq.write_table(pa.table({"item": self.items, "available": available}), data / "items.parquet")
        (self.folder / "nightjar.toml").write_text(CONFIG)
        numbers = pa.array(np.arange(1, len(self.items) + 1, dtype=np.int32))
        first_seen = pa.array(np.full(len(self.items), int(self.cutoff.timestamp()) - 86_400))
        self._put("items", {"item_index": numbers, "item_id": self.items, "first_seen": first_seen})
        numbers = pa.array(np.arange(1, len(self.users) + 1, dtype=np.int32))
        self._put("users", {"user_index": numbers, "user_id": pa.array(self.users)})
        ends = np.arange(len(self.users) + 1, dtype=np.int32) * self.events
        had = self.random.integers(self.listed + 1, len(self.items) + 1, ends[-1], dtype=np.int32)
        self._put(
            "sequences",
            {"user_index": numbers, "items": pa.ListArray.from_arrays(pa.array(ends), pa.array(had))},
        )
        self._stage_top_n()
        self._stage(
            "similar_items", {"item_id": self.items, "similar_item_id": self.items.take(self._shifted())}
        )
        names = pa.array(["all"] * len(self.items))
        self._stage("popular", {"list_name": names, "item_id": self.items}, np.arange(1, len(self.items) + 1))

    def _shifted(self) -> pa.Array:
        return pa.array(np.roll(np.arange(len(self.items)), 1))

    def _put(self, table: str, columns: dict[str, pa.Array]) -> None:
        tables.write_table(self.store, layout.night(f"training/{table}", self.run_date), pa.table(columns))

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
        tables.write_table(self.store, layout.night(f"staged/{table}", self.run_date), made)

    def _stage_top_n(self) -> None:
        by_file: list[list[str]] = [[] for _ in range(self.files)]
        for user in self.users:
            by_file[bucket_of(user, self.files)].append(user)
        paths = [self.folder / f"staged-{number}.parquet" for number in range(self.files)]
        for number, path in enumerate(paths):
            blocks = self._blocks(by_file[number], number)
            first = next(blocks)
            with lists_writer(path, first.schema) as writer:
                writer.write_table(first)
                for block in blocks:
                    writer.write_table(block)
        facts = {
            "n": self.n,
            "files": self.files,
            "users": len(self.users),
            "model_version": MODEL,
            "model_name": "transformer",
            "model_cutoff": self.cutoff.isoformat(),
            "trials": {},
            "data_cutoff": self.cutoff.isoformat(),
        }
        rows = 2 * self.n * len(self.users)
        tables.write_files(
            self.store, layout.night("staged/top_n", self.run_date), paths, rows=rows, facts=facts
        )
        for path in paths:
            path.unlink()

    def _blocks(self, users: list[str], bucket: int) -> Iterator[pa.Table]:
        """Yield the rows of `users`: different items each, with n spares, scores that fall."""
        wide = 2 * self.n
        for first in range(0, len(users), USERS_AT_ONCE):
            block = users[first : first + USERS_AT_ONCE]
            start = self.random.integers(0, self.listed, (len(block), 1))
            step = self.random.integers(1, self.listed // wide, (len(block), 1))
            listed = (start + step * (np.arange(wide) + self.shift)) % self.listed
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
                    "data_cutoff": pa.repeat(pa.scalar(self.cutoff, pa.timestamp("us", "UTC")), rows),
                }
            )

    def stage(self, name: str) -> float:
        """Run a stage by the command line; return its seconds, raise SystemExit where it fails."""
        places = {
            "CONFIG": str(self.folder / "nightjar.toml"),
            "DATA": str(self.folder / "data"),
            "LAKE": self.store.uri,
            "STATE": str(self.folder / "state"),
            "RECOMMEND__EXCLUDE_SEEN": str(self.events > 0).lower(),
        }
        environment = {**os.environ, **{f"NIGHTJAR_{key}": value for key, value in places.items()}}
        command = [sys.executable, "-m", "pipeline_tasks", name, "--run-date", str(self.run_date)]
        begin = time.perf_counter()
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            raise SystemExit(f"{name} ended with {done.returncode}: {done.stdout.decode()}")
        return time.perf_counter() - begin

    def write_once(self) -> float:
        """Make the final files of top_n from the staged ones and store them, as many at once as check; return the seconds."""
        partition = layout.night("staged/top_n", self.run_date)

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

    def publish_before(self) -> None:
        """Make the lists of the night before, and let them be live."""
        before = Night(
            self.folder,
            len(self.users),
            len(self.items),
            self.n,
            self.files,
            self.events,
            self.run_date - timedelta(days=1),
            1,
        )
        before.make()
        for name in ("check", "publish"):
            before.stage(name)
        self.kept = {key: self.store.read(key) for key in self.store.keys("recommendations/")}

    def forget(self) -> None:
        """Take back what check and publish have written of this night."""
        self.store.delete([key for key in self.store.keys("recommendations/") if key not in self.kept])
        for key, content in self.kept.items():
            if self.store.read(key) != content:
                self.store.write(key, content)
