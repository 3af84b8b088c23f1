"""Staged lists and what cannot be had in, the night's final files out, made on this machine."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.contracts import PUBLISHED_TABLES
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.tables import Commit
from pipeline_tasks.publishing.promises import Promised
from pipeline_tasks.publishing.refill import FILES_AT_ONCE, LISTS, Refilled, refill_file
from pipeline_tasks.stages.check.work import Work

STAGED = "staged"


@dataclass(frozen=True)
class Final:
    """The final files by table, and what became of each table's rows."""

    n: int
    files: dict[str, Sequence[Path]]
    counts: dict[str, Refilled]


def finish(
    work: Work,
    staged: dict[str, Commit],
    gone: pa.Array,
    promised: Mapping[str, Promised] = MappingProxyType({}),
) -> Final:
    """Write the final files, one for each staged file, which hold to what is `promised` of each table.

    Raises Refused for columns that the contract has not.
    """
    places = {
        "top_n": staged["top_n"].facts["n"],
        "similar_items": work.settings.recommend.similar,
        "popular": work.settings.recommend.popular,
    }
    files: dict[str, Sequence[Path]] = {}
    counts = {}
    for table, commit in staged.items():
        folder = work.scratch / "final" / table
        folder.mkdir(parents=True)

        def write(number: int, name: str, table: str = table, folder: Path = folder) -> tuple[Path, Refilled]:
            target, copy = folder / f"part-{number:05d}.parquet", folder / f"staged-{number:05d}.parquet"
            work.store.download(f"{layout.night(f'{STAGED}/{table}', work.run_date)}/{name}", copy)
            _require_columns(table, copy)
            counted = refill_file(copy, target, LISTS[table], gone, places[table], promised.get(table))
            copy.unlink()
            return target, counted

        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            written = list(pool.map(write, count(), commit.files))
        files[table] = [target for target, _ in written]
        counts[table] = sum((counted for _, counted in written), Refilled())
    return Final(places["top_n"], files, counts)


def _require_columns(table: str, path: Path) -> None:
    found, named = pq.read_schema(path).names, PUBLISHED_TABLES[table].names
    if found != named:
        raise Refused(
            f"{STAGED}/{table} has the columns {', '.join(found)}, its contract {', '.join(named)}",
            "run recommend again",
        )
