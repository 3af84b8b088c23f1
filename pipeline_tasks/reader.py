"""What is live, for consumers: a lake's URI in, tables out. Needs pyarrow and boto3 alone.

    version = open_current("s3://bucket/nightjar")
    version.to_pandas("top_n")
    version.top_n("u-000123")

The version is resolved once: everything read from one `Version` belongs together, whatever is published
meanwhile.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Missing, Store, open_store
from pipeline_tasks.publishing import log, versions

if TYPE_CHECKING:
    import pandas as pd

ROLL_BACK = "make an earlier version live: python -m pipeline_tasks rollback --why '...'"


def open_current(uri: str) -> "Version":
    """Return the version that is live in the lake at `uri` (file:// or s3://).

    Raises Refused where nothing is published, or where what is published has gone or is not what was published:
    then an earlier version can be made live.
    """
    store = open_store(uri)
    entry = log.newest(store)
    if entry is None:
        raise Refused(f"nothing is published in {uri}", "run a night, or see whether this is the right lake")
    try:
        manifest = versions.read_manifest(store, entry.version, entry.manifest_sha256)
    except Refused as error:
        raise Refused(
            f"version {entry.version} is live by entry {entry.sequence} of the log, but {error.reason}",
            ROLL_BACK,
        ) from error
    return Version(entry.version, manifest, store, entry)


def open_version(uri: str, name: str) -> "Version":
    """Return the version called `name`, live or not ("live" is the one that is); raises Refused as `open_current`.

    What is not live may be held for a good reason: it is there to be looked at and compared.
    """
    if name == "live":
        return open_current(uri)
    store = open_store(uri)
    return Version(name, versions.read_manifest(store, name), store)


@dataclass(frozen=True)
class Version:
    """A version of the tables: its name, its manifest, and the store that they lie in."""

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
        """Each table's Parquet files as URIs, for any engine that reads Parquet."""
        folder = f"{self.store.uri}/{layout.version(self.name)}"
        return {
            table: [f"{folder}/{table}/{file['name']}" for file in described["files"]]
            for table, described in self.manifest["tables"].items()
        }

    def local_files(self, table: str, folder: Path) -> list[Path]:
        """Return a table's Parquet files on this machine: in place in a local lake, else copied to `folder`."""
        return versions.local_files(self.store, self.name, self.manifest, table, folder)

    def to_arrow(self, table: str, columns: list[str] | None = None) -> pa.Table:
        """Return a whole table (or some columns) in its order.

        Raises Refused for a name that is none, and for a file whose SHA-256 is not the manifest's.
        """
        if table not in self.manifest["tables"]:
            raise Refused(
                f"{self.name} has no table {table!r}", f"it has {', '.join(self.manifest['tables'])}"
            )
        files = self.manifest["tables"][table]["files"]
        return pa.concat_tables(self._read(table, file, columns) for file in files)

    def to_pandas(self, table: str, columns: list[str] | None = None) -> "pd.DataFrame":
        """Return a whole table (or some columns) as a pandas frame; pandas must be installed."""
        frame: pd.DataFrame = self.to_arrow(table, columns).to_pandas()
        return frame

    def top_n(self, user_id: str) -> list[dict[str, Any]]:
        """Return one user's list in order of rank, empty for an unknown user.

        Opens one file, and of that only the row groups that may hold the user: a file of another size than the
        manifest's is refused, but its SHA-256 is not looked at (`verify` does, and so do whole tables).
        """
        files = self.manifest["tables"]["top_n"]["files"]
        file = files[bucket_of(user_id, len(files))]
        key = self._key("top_n", file)
        with self._refused(key), self.store.open(key) as handle:
            if handle.seek(0, io.SEEK_END) != file["bytes"]:
                raise self._altered(key)
            rows = pq.read_table(handle, filters=[("user_id", "=", user_id)]).to_pylist()
        return sorted(rows, key=lambda row: row["rank"])

    def _read(self, table: str, file: dict[str, Any], columns: list[str] | None) -> pa.Table:
        key = self._key(table, file)
        with self._refused(key):
            data = self.store.read(key)
            if hashlib.sha256(data).hexdigest() != file["sha256"]:
                raise self._altered(key)
            return pq.read_table(pa.BufferReader(data), columns=columns)

    def _key(self, table: str, file: dict[str, Any]) -> str:
        return f"{layout.version(self.name)}/{table}/{file['name']}"

    @contextmanager
    def _refused(self, key: str) -> Iterator[None]:
        try:
            yield
        except Missing as error:
            raise Refused(f"{self.store.uri}/{key} has gone", ROLL_BACK) from error
        except (pa.ArrowInvalid, OSError) as error:
            raise self._altered(key) from error

    def _altered(self, key: str) -> Refused:
        return Refused(f"{self.store.uri}/{key} has been altered since it was published", ROLL_BACK)


def bucket_of(user_id: str, files: int) -> int:
    """Return the number of the top_n file that holds a user: first 8 hex of md5(user_id), modulo files."""
    return int(hashlib.md5(user_id.encode(), usedforsecurity=False).hexdigest()[:8], 16) % files
