"""Tables that are whole or absent: data files, and a `_commit.json`, written last, that names them.

A reader opens only what the commit names, so a crash at any instant leaves what was there. Data files are
named by their content: writing the same bytes again changes nothing.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.lake import layout, shapes
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.lake.store import Missing, Store

COMMIT = "_commit.json"
# of many small objects, whose requests are all waiting; and of files, each of which takes several connections
COMMITS_AT_ONCE, FILES_AT_ONCE = 16, 4
CHUNK_BYTES = 8 << 20


@dataclass(frozen=True)
class Commit:
    """What a partition is: `files` (name to SHA-256, in order), rows, and facts that its readers need.

    `after` is set on deltas: the night before, so that `chain` can tell what a partition covers.
    """

    rows: int
    files: dict[str, str]
    after: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the content and what is said of it; equal for equal bytes."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True, indent=1, ensure_ascii=False).encode()


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a local file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_at(store: Store, key: str) -> str | None:
    """Return the hex SHA-256 of an object; None where there is none."""
    digest = hashlib.sha256()
    try:
        with store.open(key) as handle:
            while chunk := handle.read(CHUNK_BYTES):
                digest.update(chunk)
    except Missing:
        return None
    return digest.hexdigest()


def write_files(
    store: Store,
    partition: str,
    files: Sequence[Path],
    *,
    rows: int,
    after: date | None = None,
    facts: dict[str, Any] | None = None,
    name: str | None = None,
) -> Commit:
    """Commit local Parquet files, in this order, as the whole partition; return the commit.

    Files are called part-<n>-<digest>.parquet, or `name` where a single file's name is fixed.
    """
    digests = [sha256_of(path) for path in files]
    names = [name or f"part-{n:05d}-{digest[:12]}.parquet" for n, digest in enumerate(digests)]
    for path, target in zip(files, names, strict=True):
        store.upload(path, f"{partition}/{target}")
    commit = Commit(rows, dict(zip(names, digests, strict=True)), str(after) if after else None, facts or {})
    commit_partition(store, partition, commit)
    return commit


def commit_partition(store: Store, partition: str, commit: Commit) -> None:
    """Make `commit`, whose files are stored already, the partition's content; remove what it replaces."""
    store.write(f"{partition}/{COMMIT}", commit.to_json())
    kept = {f"{partition}/{name}" for name in (*commit.files, COMMIT)}
    store.delete([key for key in store.keys(f"{partition}/") if key not in kept])


def write_table(
    store: Store,
    partition: str,
    table: pa.Table,
    *,
    after: date | None = None,
    facts: dict[str, Any] | None = None,
    name: str | None = None,
) -> Commit:
    """Commit one Arrow table as a single Parquet file; see `write_files`."""
    buffer = BytesIO()
    pq.write_table(table, buffer, compression="zstd", coerce_timestamps="us")
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    target = name or f"part-00000-{digest[:12]}.parquet"
    store.write(f"{partition}/{target}", data)
    commit = Commit(table.num_rows, {target: digest}, str(after) if after else None, facts or {})
    commit_partition(store, partition, commit)
    return commit


def read_commit(store: Store, partition: str) -> Commit | None:
    """Return the partition's commit, or None where there is no whole table; raises Refused for a damaged one."""
    try:
        return shapes.parsed(Commit, store.read(f"{partition}/{COMMIT}"))
    except Missing:
        return None
    except ValueError as error:
        raise Refused(
            f"{store.uri}/{partition}/{COMMIT} is damaged: {error}",
            "run the stage that makes this table for its night again; where that can no longer be run, put the object "
            "back from a copy",
        ) from error


def require_commit(store: Store, partition: str, stage: str) -> Commit:
    """Return the partition's commit; raises Refused naming the stage that makes it."""
    commit = read_commit(store, partition)
    if commit is None:
        raise Refused(f"there is no table {store.uri}/{partition}", f"run {stage} for this night first")
    return commit


@contextmanager
def held_against_commits(store: Store, partitions: Mapping[str, str]) -> Iterator[None]:
    """Let what is done with these partitions, each with the stage that makes it, fail as Refused where one is damaged.

    Files are read for it only after a failure: what is wrong with them shows in any way that a reader of Parquet has.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, NightjarError) and not isinstance(error, Missing):
            raise
        for partition, stage in partitions.items():
            _refuse_altered(store, partition, stage, error)
        raise


def _refuse_altered(store: Store, partition: str, stage: str, cause: Exception) -> None:
    for name, digest in require_commit(store, partition, stage).files.items():
        found = sha256_at(store, f"{partition}/{name}")
        if found != digest:
            state = "is missing" if found is None else f"has been altered since {stage} wrote it"
            raise Refused(
                f"{store.uri}/{partition}/{name} {state}",
                f"run {stage} for its night again; where that can no longer be run, put the file back from a copy",
            ) from cause


def read_commits(store: Store, partitions: Sequence[str], stage: str) -> list[Commit]:
    """Return the partitions' commits, read several at once; raises Refused as `require_commit`."""
    with ThreadPoolExecutor(COMMITS_AT_ONCE) as pool:
        return list(pool.map(lambda partition: require_commit(store, partition, stage), partitions))


def read_table(store: Store, partition: str, stage: str, columns: list[str] | None = None) -> pa.Table:
    """Return a partition's rows in file order; raises Refused where `stage` has not written it, or not as it is.

    The files of a local lake are mapped into memory, not copied to it.
    """
    commit = require_commit(store, partition, stage)
    with held_against_commits(store, {partition: stage}):
        return pa.concat_tables(_read_file(store, f"{partition}/{name}", columns) for name in commit.files)


def _read_file(store: Store, key: str, columns: list[str] | None) -> pa.Table:
    if isinstance(store, LocalStore):
        # no partitioning: the folders' names are no columns
        try:
            return pq.read_table(store.path(key), columns=columns, memory_map=True, partitioning=None)
        except FileNotFoundError as error:
            raise Missing(f"there is no {store.uri}/{key}") from error
    return pq.read_table(BytesIO(store.read(key)), columns=columns)


def files_of(store: Store, commits: Mapping[str, Commit], folder: Path) -> list[Path]:
    """Return committed partitions' files on this machine, in order: in place in a local lake, else under `folder`."""
    keys = [f"{partition}/{name}" for partition, commit in commits.items() for name in commit.files]
    if isinstance(store, LocalStore):
        return [store.path(key) for key in keys]
    paths = [folder / key for key in keys]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        list(pool.map(store.download, keys, paths))
    return paths


def local_files(store: Store, partition: str, stage: str, folder: Path) -> list[Path]:
    """Return what `files_of` does of a partition; raises Refused where `stage` has not written it."""
    return files_of(store, {partition: require_commit(store, partition, stage)}, folder)


def committed(store: Store, parent: str) -> list[date]:
    """Return the dates of the whole partitions under `parent` ("clean/items"), oldest first.

    One listing, with whatever files the partitions have: it comes a thousand keys at a time, where a look at each
    partition's commit would be a request for each.
    """
    places = (key.removeprefix(f"{parent}/").split("/") for key in store.keys(f"{parent}/"))
    return sorted(
        layout.partition_date(place[0]) for place in places if place[1:] == [COMMIT] and "=" in place[0]
    )


def newest_before(store: Store, parent: str, run_date: date) -> date | None:
    """Return the date of the newest whole partition strictly before `run_date`, or None."""
    return max((found for found in committed(store, parent) if found < run_date), default=None)


def chain(store: Store, parent: str, run_date: date) -> dict[date, Commit]:
    """Return the commits of the nights whose deltas make up all history up to and with `run_date`, oldest first.

    Each commit says after which night its rows begin. A night that was caught up by a later one, and then
    run itself, is passed over: its rows are in the later partition already.
    """
    nights = [night for night in committed(store, parent) if night <= run_date]
    read = read_commits(store, [layout.night(parent, night) for night in nights], "the night")
    commits = dict(zip(nights, read, strict=True))
    return {night: commits[night] for night in linked(commits, run_date)}


def linked(commits: dict[date, Commit], run_date: date) -> list[date]:
    """Return the nights that `chain` takes of those that are there, whose commits come oldest first."""
    nights: list[date] = []
    upto: date | None = run_date
    for night, commit in reversed(commits.items()):
        if upto is None:
            break
        if night <= upto:
            nights.append(night)
            upto = date.fromisoformat(commit.after) if commit.after else None
    return nights[::-1]
