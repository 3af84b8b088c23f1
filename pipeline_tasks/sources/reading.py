"""Some columns of a source's table, read on this machine: its declaration and layouts in, their typed cells out. No Spark.

For what is read anew of a few columns, where a session takes longer to start than the rows take to read. Cells are
what they are for Spark (spark/reading.py); tests hold the two against each other.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import SourceTable
from pipeline_tasks.sources.casting import ARROW_TYPES
from pipeline_tasks.sources.columns import FILES_AT_ONCE, Declared, Layout
from pipeline_tasks.sources.files import open_file, open_text
from pipeline_tasks.sources.typed import REASONS, Typing, type_batch, type_lines, typing_of

ROWS_AT_ONCE, LINES_AT_ONCE = 1 << 16, 1 << 13
# stands for a carriage return that ends no row; no text has this code point, which Unicode keeps for such use
RETURN = "\ufdd0"


def typed_columns(declared: Declared, layouts: Sequence[Layout], columns: Sequence[str]) -> pa.Table:
    """Return the contract's `columns` of every row that did not fall apart; null is what cannot be typed.

    Beside them `reasons` has the codes of the row's cells that cannot be typed, of these columns alone.
    Raises Refused, naming the file, for one that cannot be read to its end.
    """
    contract = declared.contract
    asked = replace(contract, columns=tuple(contract.column(name) for name in columns))
    read = {"csv": _csv_rows, "jsonl": _json_rows, "parquet": _parquet_rows}[declared.table.format]
    batches: list[pa.RecordBatch] = []
    with _long_fields(), ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        for layout in layouts:
            typing = typing_of(declared, layout)
            mapped = {name: typing.columns[name] for name in columns if name in typing.columns}
            typing = replace(typing, contract=asked, columns=mapped)

            def cells(uri: str, typing: Typing = typing) -> list[pa.RecordBatch]:
                with _to_its_end(uri):
                    return [batch.select([*columns, REASONS]) for batch in read(uri, declared.table, typing)]

            for of_file in pool.map(cells, layout.files):
                batches += of_file
    fields = [(column.name, ARROW_TYPES[column.type]) for column in asked.columns]
    return pa.Table.from_batches(batches, pa.schema([*fields, (REASONS, pa.list_(pa.string()))]))


def _csv_rows(uri: str, table: SourceTable, typing: Typing) -> Iterator[pa.RecordBatch]:
    places = {column: int(column.removeprefix("c")) for column in typing.columns.values()}
    rows = csv.reader(_csv_lines(uri), delimiter=table.delimiter)
    if table.header:
        next(rows, None)
    # only what is asked for is kept of a row: beside it there may be long texts
    whole = (
        [row[place].replace(RETURN, "\r") for place in places.values()]
        for row in rows
        if len(row) == len(typing.names)
    )
    while block := list(islice(whole, ROWS_AT_ONCE)):
        cells = zip(places, zip(*block, strict=True), strict=True)
        found = {name: pa.array(column, pa.string()) for name, column in cells}
        yield type_batch(pa.RecordBatch.from_pydict(found), typing)


def _csv_lines(uri: str) -> Iterator[str]:
    """Yield the lines of a CSV file, which end as its first one does, or in a newline."""
    with open_text(uri, errors="replace") as text:
        first = text.readline()
    old = first.endswith("\r")
    end = "\r\n" if first.endswith("\r\n") else "\n"
    with open_text(uri, errors="replace", newline="" if old else "\n") as text:
        for line in text:
            if old or "\r" not in line:
                yield line
            else:
                yield line.removesuffix(end).replace("\r", RETURN) + "\n"


def _json_rows(uri: str, table: SourceTable, typing: Typing) -> Iterator[pa.RecordBatch]:
    with open_text(uri, errors="replace", newline=None) as text:
        while block := list(islice(text, LINES_AT_ONCE)):
            lines = pa.RecordBatch.from_pydict({"line": pa.array(block, pa.string())})
            yield from type_lines(typing, iter([lines]))


def _parquet_rows(uri: str, table: SourceTable, typing: Typing) -> Iterator[pa.RecordBatch]:
    with open_file(uri) as handle, pq.ParquetFile(handle, coerce_int96_timestamp_unit="us") as file:
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(dict.fromkeys(typing.columns.values()))):
            yield type_batch(batch, typing)


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let the csv module take fields of any length: a text that is none of ours may stand before an id."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@contextmanager
def _to_its_end(uri: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, csv.Error) as error:
        raise Refused(
            f"{uri} cannot be read to its end: {error}", "it may be damaged: write it again"
        ) from error
