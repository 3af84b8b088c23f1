"""Final lists as queries read them: a table's files in; the tables `{table}_lists` and `{table}_items`, and arrays, out."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline_tasks.dataset.engine import columns
from pipeline_tasks.publishing.list_arrays import Codes, ListArrays, read_lists, rows_by_code
from pipeline_tasks.publishing.ragged import Ragged, shared
from pipeline_tasks.publishing.refill import FILES_AT_ONCE, LISTS, Lists

# what the users of lists had: joined once, then asked file by file
HAD = """
    CREATE OR REPLACE TEMP TABLE had AS
    SELECT file, list, sequences.items FROM top_n_lists JOIN users USING (user_id) JOIN sequences USING (user_index)
    ORDER BY file"""
HAD_OF_FILE = "SELECT list, items FROM had WHERE file = ?"
UNKNOWN = -2  # no item of a list has it


@dataclass(frozen=True)
class Listed:
    """The lists of a night's tables by file; their items are told by `codes`."""

    codes: Codes
    parts: Mapping[str, Sequence[ListArrays]]


def define_listed(engine: duckdb.DuckDBPyConnection, files: Mapping[str, Sequence[Path]]) -> Listed:
    """Define {table}_lists (the owner, `file`, `list` in it, facts) and {table}_items (the item, rows) of each table's `files`.

    Reads the view `items`. Facts are those of `ListArrays`.
    """
    ids = engine.sql("SELECT item_id FROM items ORDER BY item_index").to_arrow_table()["item_id"]
    codes = Codes(ids.combine_chunks())
    parts = {table: read_files(paths, LISTS[table], codes) for table, paths in files.items()}
    for table, of_files in parts.items():
        define_facts(engine, table, LISTS[table], of_files, codes)
    return Listed(codes, parts)


def read_files(paths: Sequence[Path], lists: Lists, codes: Codes) -> list[ListArrays]:
    """Return the lists of each file of a table."""
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        return list(pool.map(lambda path: read_lists(path, lists, codes), paths))


def define_facts(
    engine: duckdb.DuckDBPyConnection, table: str, lists: Lists, parts: Sequence[ListArrays], codes: Codes
) -> None:
    """Define {table}_lists and {table}_items of lists that have been read."""
    of_files = [
        part.facts.append_column("file", pa.repeat(number, len(part.owners)))
        .append_column("list", pa.array(np.arange(len(part.owners))))
        .append_column(lists.owner, part.owners)
        for number, part in enumerate(parts)
    ]
    rows = rows_by_code(parts, codes)
    shown = np.flatnonzero(rows)
    items = pa.table({lists.item: codes.ids.take(pa.array(shown)), "rows": rows[shown]})
    for name, made in ((f"{table}_lists", pa.concat_tables(of_files)), (f"{table}_items", items)):
        engine.register("made", made)
        engine.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM made")
        engine.unregister("made")


def define_seen(engine: duckdb.DuckDBPyConnection, listed: Listed, *, asked: bool) -> None:
    """Define top_n_seen (user_id, seen): of whose list how many items its user's `sequences` hold; if `asked`."""
    known = columns(engine, "SELECT item_index FROM items ORDER BY item_index")["item_index"]
    code_of = np.full(known.max(initial=0) + 1, UNKNOWN, np.int32)
    code_of[known] = np.arange(len(known))
    found = [pa.table({"user_id": pa.array([], pa.string()), "seen": pa.array([], pa.int64())})]
    parts = listed.parts["top_n"] if asked else ()
    if parts:
        engine.execute(HAD)
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        for first in range(0, len(parts), FILES_AT_ONCE):  # no more histories at once than are looked through
            some = parts[first : first + FILES_AT_ONCE]
            had = [engine.sql(HAD_OF_FILE, params=[first + n]).to_arrow_table() for n in range(len(some))]
            found += pool.map(lambda part, table: _seen(part, table, code_of), some, had)
    engine.execute("DROP TABLE IF EXISTS had")
    engine.register("top_n_seen", pa.concat_tables(found))


def _seen(part: ListArrays, had: pa.Table, code_of: NDArray[np.int32]) -> pa.Table:
    """Return the users of lists that hold some of what they `had` (list, items: indices), and how many."""
    lists, items = had["list"].to_numpy(), had["items"].combine_chunks()
    sizes = items.value_lengths().fill_null(0).to_numpy().astype(np.int64)
    histories = Ragged(code_of[items.flatten().to_numpy()], np.cumsum(sizes) - sizes, sizes)
    seen = shared(part.lists.taken(lists), histories)
    some = np.flatnonzero(seen)
    return pa.table({"user_id": part.owners.take(pa.array(lists[some])), "seen": seen[some]})
