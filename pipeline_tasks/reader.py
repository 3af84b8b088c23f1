"""What is live, for consumers: a lake's URI in, tables out. Needs pyarrow and boto3 alone.

    version = open_current("s3://bucket/nightjar")
    version.to_pandas("top_n")
    version.top_n("u-000123")

The version is resolved once: everything read from one `Version` belongs together, whatever is published
meanwhile. What is read is held against the checksums in its manifest.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import floors, layout
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.publishing import changes, log, versions
from pipeline_tasks.publishing.data_file import DataFile

if TYPE_CHECKING:
    import pandas as pd

BATCH_ROWS = 65_536


def open_current(uri: str | Path) -> "Version":
    """Return the version that is live in the lake at `uri` (file:// or s3://, or a folder's Path).

    Raises Refused where nothing is published, or where what is published has gone or been altered.
    """
    store = _store(uri)
    return _open(store, _live(store))


def current_name(uri: str | Path) -> str:
    """Return the name of the version that is live, which costs a listing and one small object.

    Raises Refused where nothing is published.
    """
    return _live(_store(uri)).version


def open_version(uri: str | Path, name: str) -> "Version":
    """Return the version called `name`, live or not ("live" is the one that is); raises Refused as `open_current`.

    What is not live may be held for a good reason: it is there to be looked at and compared.
    """
    if name == "live":
        return open_current(uri)
    store = _store(uri)
    return Version(name, versions.read_manifest(store, name), store)


def _store(uri: str | Path) -> Store:
    return open_store(uri.resolve().as_uri() if isinstance(uri, Path) else uri)


def _live(store: Store) -> log.Entry:
    entry = log.newest(store)
    if entry is None:
        raise Refused(
            f"nothing is published in {store.uri}", "run a night, or see whether this is the right lake"
        )
    return entry


def _open(store: Store, entry: log.Entry) -> "Version":
    try:
        manifest = versions.read_manifest(store, entry.version, entry.manifest_sha256)
    except Refused as error:
        raise Refused(
            f"entry {entry.sequence} of the log makes {entry.version} live, but {error.reason}",
            _way_out(store, entry),
        ) from error
    return Version(entry.version, manifest, store, entry)


def _way_out(store: Store, live: log.Entry) -> str:
    """Say how something else goes live where the live version cannot be read."""
    for entry in changes.earlier(store, live):
        if versions.is_whole(store, entry.version):
            return f"go back: python -m pipeline_tasks rollback --to {entry.version} --why '{live.version} is gone'"
    otherwise = "run a newer night, or put the version back from a copy of the lake"
    return "no earlier version is left to go back to: " + floors.again(
        store, date.fromisoformat(live.run_date), "check and publish", otherwise
    )


@dataclass(frozen=True)
class Version:
    """A version of the tables: its name, its manifest, and the store that they lie in.

    It keeps the footers of the files that it has read, and may be used by several threads. What reads rows
    raises Refused where a file is not what was published, and NightjarError where it has gone.
    """

    name: str
    manifest: dict[str, Any]
    store: Store
    entry: log.Entry | None = None
    """The entry of the commit log that made it live, where it was opened as the live one."""

    @property
    def run_date(self) -> date:
        return date.fromisoformat(self.manifest["run_date"])

    @property
    def tables(self) -> dict[str, list[str]]:
        """Each table's Parquet files, for any engine that reads Parquet: paths in a local lake, else s3:// URIs."""
        return {table: [file.place for file in files] for table, files in self._files.items()}

    def newest(self) -> "Version":
        """Return the version that is live by now: this one, with the footers that it has, as long as it is.

        To be asked now and then by who serves lists: while nothing changes it costs a listing and one small object.
        """
        entry = _live(self.store)
        return self if entry.version == self.name else _open(self.store, entry)

    def local_files(self, table: str, folder: Path) -> list[Path]:
        """Return a table's Parquet files on this machine: in place in a local lake, else copied to `folder`."""
        return versions.local_files(self.store, self.name, self.manifest, table, folder)

    def top_n(self, user_id: str) -> list[dict[str, Any]]:
        """Return one user's list in order of rank, empty for an unknown user.

        Reads one row group of one file, and of each file once its footer. Raises Refused for what is no text.
        """
        if not isinstance(user_id, str):
            raise Refused(f"user_id is {user_id!r}, and ids are strings", f"say top_n({str(user_id)!r})")
        files = self._files["top_n"]
        rows: list[dict[str, Any]] = files[bucket_of(user_id, len(files))].rows_of(user_id).to_pylist()
        return sorted(rows, key=lambda row: row["rank"])

    def batches(
        self, table: str, columns: list[str] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Yield a whole table (or some columns) in its order, at most `rows` rows at a time, in bounded memory.

        A file's own SHA-256 is known, and Refused raised where it is another, only as its last rows come: what
        must not be done by halves waits for the end. Raises Refused for a table or a column that there is not.
        """
        if rows < 1:
            raise Refused(f"rows is {rows} at a time", "say 1 or more")
        for part in self._parts(table, columns):
            yield from part.to_batches(max_chunksize=rows)

    def to_arrow(self, table: str, columns: list[str] | None = None) -> pa.Table:
        """Return a whole table (or some columns) in its order; raises Refused for one that there is not."""
        return pa.concat_tables(self._parts(table, columns))

    def to_pandas(self, table: str, columns: list[str] | None = None) -> "pd.DataFrame":
        """Return a whole table (or some columns) as a pandas frame; pandas must be installed."""
        frame: pd.DataFrame = self.to_arrow(table, columns).to_pandas()
        return frame

    @cached_property
    def _files(self) -> dict[str, list[DataFile]]:
        folder = layout.version(self.name)
        return {
            table: [
                DataFile(self.store, f"{folder}/{table}/{file['name']}", file) for file in described["files"]
            ]
            for table, described in self.manifest["tables"].items()
        }

    def _parts(self, table: str, columns: list[str] | None) -> Iterator[pa.Table]:
        if table not in self._files:
            raise Refused(f"{self.name} has no table {table!r}", f"it has {', '.join(self._files)}")
        if isinstance(columns, str):
            raise Refused(f"columns is {columns!r} and no list", f"say [{columns!r}]")
        there = [column["name"] for column in self.manifest["tables"][table]["schema"]]
        unknown = [name for name in columns or () if name not in there]
        if unknown:
            raise Refused(
                f"{table} of {self.name} has no column {unknown[0]!r}", f"it has {', '.join(there)}"
            )
        for file in self._files[table]:
            yield from file.tables(columns)


def bucket_of(user_id: str, files: int) -> int:
    """Return the number of the top_n file that holds a user: first 8 hex of md5(user_id), modulo files."""
    return int(hashlib.md5(user_id.encode(), usedforsecurity=False).hexdigest()[:8], 16) % files
