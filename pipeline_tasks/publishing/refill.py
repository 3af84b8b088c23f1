"""Staged lists in, final lists out: unavailable items go, the spares behind them move up, ranks close again.

Lists are streamed: memory is a batch, however long the table.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_tasks.publishing.promises import Promised, places_in_lists, whole_lists

BATCH_ROWS = 1 << 17
# Arrow reads or writes the rows of a file in one thread
FILES_AT_ONCE = min(8, os.cpu_count() or 1)
# of a row group: a reader that wants one user's list reads one of them (benchmarks/reader.py), and an engine
# that scans starts anew at each
GROUP_ROWS = 1 << 14


@dataclass(frozen=True)
class Lists:
    """How a table says its lists: whose they are (`owner`), and the column of what is recommended."""

    owner: str
    item: str


LISTS = {
    "top_n": Lists("user_id", "item_id"),
    "similar_items": Lists("item_id", "similar_item_id"),
    "popular": Lists("list_name", "item_id"),
}


@dataclass
class Refilled:
    """What became of a file: rows in and out, lists in the result, rows that were unavailable, or blocked since."""

    rows_in: int = 0
    rows: int = 0
    lists: int = 0
    unavailable: int = 0
    blocked: int = 0

    def __add__(self, other: "Refilled") -> "Refilled":
        return Refilled(
            self.rows_in + other.rows_in,
            self.rows + other.rows,
            self.lists + other.lists,
            self.unavailable + other.unavailable,
            self.blocked + other.blocked,
        )


def refill_file(
    source: Path,
    target: Path,
    lists: Lists,
    unavailable: pa.Array,
    places: int,
    promised: Promised | None = None,
) -> Refilled:
    """Write the final lists of one staged Parquet file, which is sorted by owner and rank; return counts."""
    counts = Refilled()
    schema = pq.read_schema(source)
    # a row's texts stay numbers until it is known that it stays: to make them is most of what reading takes
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    with pq.ParquetFile(source, read_dictionary=texts) as file:
        # by its checksum a reader knows a page that has been altered without reading the file
        writer = lists_writer(target, schema, coerce_timestamps="us", write_page_checksum=True)
        with writer:
            batches: Iterable[pa.RecordBatch] = file.iter_batches(BATCH_ROWS)
            if promised is not None:
                batches = whole_lists(map(_decoded, batches), lists.owner)
            final = map(_decoded, refill(batches, lists, unavailable, places, counts, promised))
            for group in groups_of_lists(final, GROUP_ROWS):
                writer.write_table(group, row_group_size=group.num_rows)
    return counts


def lists_writer(target: Path, schema: pa.Schema, **how: Any) -> pq.ParquetWriter:
    """Return a writer of lists; a dictionary of scores, which hardly ever come again, would be longer than they are."""
    repeated = [field.name for field in schema if not pa.types.is_floating(field.type)]
    return pq.ParquetWriter(target, schema, compression="zstd", use_dictionary=repeated, **how)


def _decoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with its dictionaries' values in their rows."""
    columns = {
        name: column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    return pa.RecordBatch.from_pydict(columns)


def groups_of_lists(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Yield ranked batches again as tables of at most `rows` rows, each of whole lists, whatever the batches were.

    A list that is longer than that is a table of its own.
    """
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) <= rows:
            continue
        table = pa.Table.from_batches(waiting)
        begins = np.flatnonzero(table["rank"].to_numpy() == 1)
        start = 0
        while table.num_rows - start > rows and len(later := begins[begins > start]):
            end = int(max(later[0], later[later <= start + rows].max(initial=0)))
            yield table.slice(start, end - start).combine_chunks()
            start = end
        waiting = table.slice(start).combine_chunks().to_batches()
    if waiting:
        yield pa.Table.from_batches(waiting).combine_chunks()


def refill(
    batches: Iterable[pa.RecordBatch],
    lists: Lists,
    unavailable: pa.Array,
    places: int,
    counts: Refilled,
    promised: Promised | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the batches without `unavailable` items, ranked anew from 1, at most `places` a list.

    Rows are sorted by owner and rank; a list may run on from one batch to the next, unless something is `promised`
    of lists. `counts` is added to.
    """
    owner, length = None, 0
    for batch in batches:
        available = batch.filter(pc.invert(pc.is_in(batch[lists.item], value_set=unavailable)))
        counts.rows_in += batch.num_rows
        counts.unavailable += batch.num_rows - available.num_rows
        if promised is not None:
            allowed = promised.allowed(available, lists.owner, lists.item)
            counts.blocked += available.num_rows - allowed.num_rows
            available = promised.arranged(allowed, lists.owner, lists.item, places)
        if not available.num_rows:
            continue
        ranks, begun = _ranks(available[lists.owner], owner, length)
        counts.lists += begun
        owner, length = available[lists.owner][-1].as_py(), int(ranks[-1])
        place = available.schema.get_field_index("rank")
        ranked = available.set_column(
            place, available.schema.field(place), pa.array(ranks, available.schema.field(place).type)
        )
        kept = ranked.filter(pa.array(ranks <= places))
        counts.rows += kept.num_rows
        yield kept


def _ranks(owners: pa.Array, before: str | None, length: int) -> tuple[NDArray[np.int64], int]:
    """Return each row's rank in its owner's list, and how many lists begin here.

    `before` is the owner of the last row before this batch, `length` its list's length so far.
    """
    number, place = places_in_lists(owners)
    goes_on = owners[0].as_py() == before
    return place + 1 + np.where(goes_on & (number == 0), length, 0), int(number[-1]) + 1 - goes_on
