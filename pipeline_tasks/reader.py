"""What is live, for consumers: a lake's URI in, tables out. Needs pyarrow and boto3 alone.

    version = open_current("s3://bucket/nightjar")
    version.to_pandas("top_n")
    version.top_n("u-000123")

The version is resolved once: everything read from one `Version` belongs together, whatever is published
meanwhile.
"""

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Missing, Store, open_store
from pipeline_tasks.publishing import log, versions

if TYPE_CHECKING:
    import pandas as pd


def open_current(uri: str) -> "Version":
    """Return the version that is live in the lake at `uri` (file:// or s3://).

    Raises Refused where nothing is published, or where what is published is not what was published.
    """
    store = open_store(uri)
    entry = log.newest(store)
    if entry is None:
        raise Refused(f"nothing is published in {uri}", "run a night, or see whether this is the right lake")
    manifest = versions.read_manifest(store, entry.version, entry.manifest_sha256)
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
        """Return a whole table (or some columns) in its order; raises Refused for a name that is none."""
        if table not in self.manifest["tables"]:
            raise Refused(
                f"{self.name} has no table {table!r}", f"it has {', '.join(self.manifest['tables'])}"
            )
        files = self.manifest["tables"][table]["files"]
        return pa.concat_tables(self._read(table, file["name"], columns) for file in files)

    def to_pandas(self, table: str, columns: list[str] | None = None) -> "pd.DataFrame":
        """Return a whole table (or some columns) as a pandas frame; pandas must be installed."""
        frame: pd.DataFrame = self.to_arrow(table, columns).to_pandas()
        return frame

    def top_n(self, user_id: str) -> list[dict[str, Any]]:
        """Return one user's list in order of rank, empty for an unknown user.

        Opens one file, and of that only the row groups that may hold the user.
        """
        files = self.manifest["tables"]["top_n"]["files"]
        file = files[bucket_of(user_id, len(files))]["name"]
        rows: list[dict[str, Any]] = self._read(
            "top_n", file, filters=[("user_id", "=", user_id)]
        ).to_pylist()
        return sorted(rows, key=lambda row: row["rank"])

    def _read(
        self, table: str, file: str, columns: list[str] | None = None, filters: list[Any] | None = None
    ) -> pa.Table:
        key = f"{layout.version(self.name)}/{table}/{file}"
        try:
            with self.store.open(key) as handle:
                return pq.read_table(handle, columns=columns, filters=filters)
        except Missing as error:
            raise NightjarError(f"{self.store.uri}/{key} has gone", "publish the night again") from error


def bucket_of(user_id: str, files: int) -> int:
    """Return the number of the top_n file that holds a user: first 8 hex of md5(user_id), modulo files."""
    return int(hashlib.md5(user_id.encode(), usedforsecurity=False).hexdigest()[:8], 16) % files
