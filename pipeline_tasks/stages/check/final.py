"""Staged lists and what cannot be had in, the night's final files out, one at a time on this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.contracts import PUBLISHED_TABLES
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.tables import Commit
from pipeline_tasks.publishing.promises import Promised
from pipeline_tasks.publishing.refill import LISTS, Refilled, refill_file
from pipeline_tasks.settings import Settings
from pipeline_tasks.spark.staging import Staging

STAGED = "staged"


@dataclass(frozen=True)
class Final:
    """The final files by table, and what became of each table's rows."""

    n: int
    files: dict[str, Sequence[Path]]
    counts: dict[str, Refilled]


def finish(
    staging: Staging,
    settings: Settings,
    run_date: date,
    staged: dict[str, Commit],
    gone: pa.Array,
    promised: Mapping[str, Promised] = MappingProxyType({}),
) -> Final:
    """Write the final files, one for each staged file, which hold to what is `promised` of each table.

    Raises Refused for columns that the contract has not.
    """
    places = {
        "top_n": staged["top_n"].facts["n"],
        "similar_items": settings.recommend.similar,
        "popular": settings.recommend.popular,
    }
    files: dict[str, Sequence[Path]] = {}
    counts = {}
    copy = staging.scratch / "staged.parquet"
    for table, commit in staged.items():
        folder = staging.scratch / "final" / table
        folder.mkdir(parents=True)
        files[table] = [folder / f"part-{number:05d}.parquet" for number in range(len(commit.files))]
        counts[table] = Refilled()
        for name, target in zip(commit.files, files[table], strict=True):
            staging.store.download(f"{layout.night(f'{STAGED}/{table}', run_date)}/{name}", copy)
            _require_columns(table, copy)
            counts[table] += refill_file(copy, target, LISTS[table], gone, places[table], promised.get(table))
            copy.unlink()
    return Final(places["top_n"], files, counts)


def _require_columns(table: str, path: Path) -> None:
    found, named = pq.read_schema(path).names, PUBLISHED_TABLES[table].names
    if found != named:
        raise Refused(
            f"{STAGED}/{table} has the columns {', '.join(found)}, its contract {', '.join(named)}",
            "run recommend again",
        )
