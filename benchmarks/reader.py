"""A version of many users in, how long consumers wait for one list and for all out, beside DuckDB over the same files.

    python benchmarks/reader.py --users 1000000 --n 20

The version is written by the code of `check` and made live on a local lake and on an S3 server on 127.0.0.1, with
random ids and chance for lists. A cold lookup is the first of a reader that has just been opened, so that it reads a
file's footer; opening (a listing, an entry, a manifest) is a line of its own. A warm one is the next, by another user
of the same file. One byte of the file is what the store itself takes for any request of that object. DuckDB is asked in SQL for the same users over the same files, by one connection that keeps what
it likes; on S3 it reads through Arrow's file system, so that no extension has to be fetched. The local files are in the system's cache: disks are not measured. The S3 server is moto, a test server in
Python on this machine: it has no network's delay, and answers a request more slowly than a real store's servers do,
so that its figures say how many requests there are and how much is read rather than what a cloud will take. It prints
a JSON line a figure, then a table.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.dataset import dataset
from pyarrow.fs import S3FileSystem

from benchmarks.reader_version import publish
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import open_store
from pipeline_tasks.reader import Version, bucket_of, open_current
from pipeline_tasks.settings.models import RecommendSettings

NIGHT = date(2026, 1, 10)
BUCKET = "reader"


@contextmanager
def moto_server() -> Iterator[str]:
    """Give the address of moto's server in a process of its own on a free port, with an empty bucket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        os.environ |= {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        _wait_for(port)
        import boto3

        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@dataclass(frozen=True)
class Duck:
    """DuckDB, and how SQL names all files of top_n (`every`) and each of them (`each`)."""

    connection: duckdb.DuckDBPyConnection
    every: str
    each: list[str]

    def list_of(self, user: str, source: str) -> list[Any]:
        asked = f"SELECT * FROM {source} WHERE user_id = ? ORDER BY rank"  # noqa: S608 - our own names
        return self.connection.execute(asked, [user]).fetchall()

    def everything(self) -> pa.Table:
        return self.connection.sql(f"SELECT * FROM {self.every}").to_arrow_table()  # noqa: S608


def open_duck(version: Version, endpoint: str | None) -> Duck:
    """Return DuckDB over the version's files: by itself on a disk, by Arrow's S3 file system at `endpoint`."""
    connection, paths = duckdb.connect(), version.tables["top_n"]
    if endpoint is None:
        return Duck(connection, f"read_parquet({paths})", [f"read_parquet(['{path}'])" for path in paths])
    s3 = S3FileSystem(endpoint_override=endpoint, scheme="http")  # credentials from the environment
    keys = [path.removeprefix("s3://") for path in paths]
    names = [f"file_{number}" for number in range(len(keys))]
    for name, among in zip(["every", *names], [keys, *([key] for key in keys)], strict=True):
        connection.register(name, dataset(among, format="parquet", filesystem=s3))
    return Duck(connection, "every", names)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the milliseconds that a call took, and what it returned."""
    begin = time.perf_counter()
    found = call()
    return (time.perf_counter() - begin) * 1e3, found


def by_file(users: list[str], files: int) -> dict[int, list[str]]:
    """Return the users by the file that holds them."""
    found: dict[int, list[str]] = {number: [] for number in range(files)}
    for user in users:
        found[bucket_of(user, files)].append(user)
    return found


def lookups(uri: str, users: list[str], n: int, cold: int) -> Iterator[tuple[str, list[float]]]:
    """Yield (what, milliseconds of each) of opening, of first lookups, of later ones, and of the least request."""
    opened, first = [], []
    for user in users[:cold]:
        spent, version = timed(partial(open_current, uri))
        opened.append(spent)
        spent, rows = timed(partial(version.top_n, user))
        first.append(spent)
        assert len(rows) == n
    yield "open_current", opened
    yield "top_n, cold", first
    version = open_current(uri)
    for inside in by_file(users, len(version.tables["top_n"])).values():
        version.top_n(inside[0])
    yield "top_n, warm", [timed(partial(version.top_n, user))[0] for user in users]
    store, folder = version.store, f"{layout.version(version.name)}/top_n"
    keys = [f"{folder}/{Path(file).name}" for file in version.tables["top_n"]]
    bare = [partial(store.read_range, keys[bucket_of(user, len(keys))], 0, 1) for user in users]
    yield "one byte of the file", [timed(read)[0] for read in bare]


def duckdb_lookups(duck: Duck, users: list[str]) -> Iterator[tuple[str, list[float]]]:
    """Yield DuckDB's milliseconds for each user over all files, and over the one that holds the user."""
    for what, source in (
        ("DuckDB, all files", lambda user: duck.every),
        ("DuckDB, the user's file", lambda user: duck.each[bucket_of(user, len(duck.each))]),
    ):
        yield what, [timed(partial(duck.list_of, user, source(user)))[0] for user in users]


def scans(version: Version, duck: Duck) -> Iterator[tuple[str, list[float]]]:
    """Yield the milliseconds that a whole table takes: at once, in batches, and in DuckDB."""
    yield "to_arrow", [timed(lambda: version.to_arrow("top_n"))[0]]
    yield "batches", [timed(lambda: sum(batch.num_rows for batch in version.batches("top_n")))[0]]
    yield "DuckDB, all into Arrow", [timed(duck.everything)[0]]


def figures(
    where: str, uri: str, endpoint: str | None, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Yield each figure of one lake."""
    generator = np.random.default_rng(options.seed + 1)
    version = open_current(uri)
    users = version.to_arrow("top_n", ["user_id", "rank"])
    first = users.filter(pc.equal(users["rank"], 1))["user_id"].to_pylist()
    asked = [first[at] for at in generator.integers(0, len(first), options.lookups)]
    del users, first
    duck = open_duck(version, endpoint)
    found = [
        lookups(uri, asked, options.n, options.cold),
        duckdb_lookups(duck, asked),
        scans(version, duck),
    ]
    for part in found:
        for what, spent in part:
            median, high = (float(value) for value in np.percentile(spent, [50, 95]))
            yield {"where": where, "what": what, "of": len(spent), "median_ms": median, "p95_ms": high}


def table(lines: list[dict[str, Any]]) -> str:
    """Return the figures in text."""
    rows = [f"{'':<8}{'':<26}{'of':>6}{'median ms':>12}{'95 % ms':>12}"]
    rows += [
        f"{line['where']:<8}{line['what']:<26}{line['of']:>6}{line['median_ms']:>12,.1f}{line['p95_ms']:>12,.1f}"
        for line in lines
    ]
    return "\n".join(rows)


def measure(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Write the version once, publish it in both lakes, and print each figure as it is known."""
    lines = []
    with moto_server() as endpoint:
        lakes = {"local": (folder / "lake").as_uri(), "s3": f"s3://{BUCKET}/lake"}
        stores = {where: open_store(uri) for where, uri in lakes.items()}
        facts = publish(folder, list(stores.values()), NIGHT, options)
        print(json.dumps(facts), flush=True)
        for where, uri in lakes.items():
            for line in figures(where, uri, endpoint if where == "s3" else None, options):
                lines.append(line)
                print(json.dumps(line), flush=True)
    return lines


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--n", type=int, default=20, help="places in a list")
    parser.add_argument("--files", type=int, help="of top_n; by default as many as recommend makes")
    parser.add_argument("--lookups", type=int, default=300, help="random users, warm")
    parser.add_argument("--cold", type=int, default=30, help="of them, by readers just opened")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    options.files = options.files or RecommendSettings(n=options.n).files_for(options.users)
    with TemporaryDirectory(prefix="nightjar-reader-") as folder:
        lines = measure(options, Path(folder))
    print(f"\n{options.users:,} users, N = {options.n}, {os.cpu_count()} cores\n{table(lines)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
