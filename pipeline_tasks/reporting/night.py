"""A night's tables as DuckDB views, each defined when it is asked for: a lake, a date and records in, queries out.

Of a lake on S3 only the columns that are asked for travel, and DuckDB spills what exceeds its memory.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.contracts import ITEM_FEATURES, USER_FEATURES
from pipeline_tasks.dataset.engine import define, open_engine
from pipeline_tasks.errors import NightjarError
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.lake.records import Record
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import versions
from pipeline_tasks.scratch import scratch_folder
from pipeline_tasks.settings import Settings

# who makes the tables of a folder of the lake
MADE_BY = {"clean": "preprocess", "features": "features", "training": "dataset"}
NUMBERS = {
    view.name: tuple(column.name for column in view.columns if column.type == "float")
    for view in (USER_FEATURES, ITEM_FEATURES)
}
# the tables that a report reads, and of each the columns
COLUMNS = {
    "clean/interactions": ("user_id", "item_id", "event_time"),
    "clean/items": ("item_id", "updated_at", "category", "tags", "image"),
    "features/user_features": NUMBERS["user_features"],
    "features/item_features": ("item_id", *NUMBERS["item_features"]),
    "training/items": ("item_index", "item_id", "title", "available"),
    "training/users": ("user_index", "user_id"),
    "training/sequences": ("user_index", "items", "types", "times"),
    "top_n": ("user_id", "rank", "item_id", "score", "source"),
    "popular": ("list_name", "rank", "item_id"),
}


class Absent(NightjarError):
    """The night has not, or not yet, what a subject is about: its place on the page says so."""


@dataclass
class Night:
    """One night to report on. `fresh` are the records of its newest run; an older run's tables are not told of."""

    store: Store
    settings: Settings
    run_date: date
    fresh: dict[str, Record]
    engine: duckdb.DuckDBPyConnection
    scratch: Path
    _views: dict[str, str] = field(default_factory=dict)
    _copies: int = 0

    def table(self, name: str, of: date | None = None) -> str:
        """Return the view of a table of the night, or of the night `of`; raises Absent where there is none."""
        stage, night = MADE_BY[name.partition("/")[0]], of or self.run_date
        if of is None and stage not in self.fresh:
            raise Absent(f"{stage} has not run")
        partition = layout.night(name, night)
        commit = tables.read_commit(self.store, partition)
        if commit is None:
            raise Absent(f"there is no {name} of {night}")
        return self._view(partition, list(commit.files), COLUMNS[name])

    def version(self, version: str, sha256: str = "", table: str = "top_n") -> str:
        """Return the view of a published table; raises Refused where the version is not what it was."""
        manifest = versions.read_manifest(self.store, version, sha256)
        files = [file["name"] for file in manifest["tables"][table]["files"]]
        return self._view(f"{layout.version(version)}/{table}", files, COLUMNS[table])

    def file(self, folder: str, name: str, columns: Sequence[str]) -> str:
        """Return the view of one file of a table."""
        return self._view(folder, [name], columns)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return a query's rows, which are few."""
        found = self.engine.execute(query, list(values))
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def _view(self, folder: str, files: Sequence[str], columns: Sequence[str]) -> str:
        key = f"{folder} {' '.join(columns)} {' '.join(files)}"
        if key not in self._views:
            view = f"view_{len(self._views)}"
            define(self.engine, view, [self._local(f"{folder}/{name}", columns) for name in files])
            self._views[key] = view
        return self._views[key]

    def _local(self, key: str, columns: Sequence[str]) -> Path:
        """Return a file of the lake on this machine: in place in a local lake, else a copy of these columns."""
        if isinstance(self.store, LocalStore):
            return self.store.path(key)
        self._copies += 1
        target = self.scratch / f"{self._copies}.parquet"
        with self.store.open(key) as handle, pq.ParquetFile(handle) as file:
            schema = file.schema_arrow
            kept = [name for name in schema.names if name in columns]
            batches = file.iter_batches(columns=kept)
            with pq.ParquetWriter(target, pa.schema([schema.field(name) for name in kept])) as writer:
                for batch in batches:
                    writer.write_batch(batch)
        return target


@contextmanager
def open_night(store: Store, settings: Settings, run_date: date, fresh: dict[str, Record]) -> Iterator[Night]:
    """Give the night with an engine and a scratch folder that are gone at the end."""
    with (
        scratch_folder(settings) as folder,
        open_engine(folder, settings.spark.driver_memory) as engine,
    ):
        yield Night(store, settings, run_date, fresh, engine, folder)
