"""Some columns of a source's table, read on this machine: its declaration and layouts in, typed batches out. No Spark.

For what is read anew of a few columns, where a session takes longer to start than the rows take to read. Cells are
what they are for Spark (spark/reading.py); tests hold the two against each other.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import SourceTable
from pipeline_tasks.sources.columns import Declared, Layout
from pipeline_tasks.sources.files import fetch, open_text
from pipeline_tasks.sources.typed import Typing, type_batch, type_lines, typing_of

ROWS_AT_ONCE = 1 << 16


def typed_columns(
    declared: Declared, layouts: Sequence[Layout], columns: Sequence[str], scratch: Path
) -> Iterator[pa.RecordBatch]:
    """Yield the contract's `columns` of every row that did not fall apart; null is what cannot be typed.

    Raises Refused, naming the file, for one that cannot be read to its end.
    """
    contract = declared.contract
    asked = replace(contract, columns=tuple(contract.column(name) for name in columns))
    raw = {"csv": _csv_rows, "jsonl": _lines, "parquet": _parquet_rows}[declared.table.format]
    for layout in layouts:
        typing = typing_of(declared, layout)
        mapped = {column: typing.columns[column] for column in columns if column in typing.columns}
        typing = replace(typing, contract=asked, columns=mapped)
        for uri, path in zip(layout.files, fetch(layout.files, scratch), strict=True):
            with _to_its_end(uri):
                batches = raw(path, declared.table, typing)
                typed = (
                    type_lines(typing, batches)
                    if declared.table.format == "jsonl"
                    else (type_batch(batch, typing) for batch in batches)
                )
                for batch in typed:
                    yield batch.select(list(columns))


def _csv_rows(path: Path, table: SourceTable, typing: Typing) -> Iterator[pa.RecordBatch]:
    places = [(column, int(column.removeprefix("c"))) for column in dict.fromkeys(typing.columns.values())]
    with _long_fields(), open_text(path.as_uri(), errors="replace") as text:
        rows = csv.reader(text, delimiter=table.delimiter)
        if table.header:
            next(rows, None)
        while block := list(islice(rows, ROWS_AT_ONCE)):
            whole = [row for row in block if len(row) == len(typing.names)]
            cells = {column: pa.array([row[place] for row in whole], pa.string()) for column, place in places}
            yield pa.RecordBatch.from_pydict(cells)


def _lines(path: Path, table: SourceTable, typing: Typing) -> Iterator[pa.RecordBatch]:
    with open_text(path.as_uri(), errors="replace", newline=None) as text:
        while block := list(islice(text, ROWS_AT_ONCE)):
            yield pa.RecordBatch.from_pydict({"line": pa.array(block, pa.string())})


def _parquet_rows(path: Path, table: SourceTable, typing: Typing) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
        yield from file.iter_batches(ROWS_AT_ONCE, columns=list(dict.fromkeys(typing.columns.values())))


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
