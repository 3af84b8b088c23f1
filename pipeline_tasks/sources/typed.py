"""Contract types: rows as a source writes them in; typed rows, and what could not be typed, out.

Nothing here fails on a value: what cannot be made into its type is null, and the row says so. Plain Arrow,
batch by batch, so that Spark passes over each value once, and what needs no Spark types alike.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_tasks.contracts import Column, ColumnType, Contract
from pipeline_tasks.errors import Refused
from pipeline_tasks.sources.casting import ARROW_TYPES, to_type, without_blanks
from pipeline_tasks.sources.columns import Declared, Layout
from pipeline_tasks.sources.texts import in_utf8, whole_characters

NOUNS: dict[ColumnType, str] = {
    "string": "text",
    "integer": "whole number",
    "float": "number",
    "boolean": "boolean",
    "timestamp": "timestamp",
    "strings": "list",
    "vector": "list of finite numbers",
}
SHOWN_CHARACTERS = 60

# what a typed row has beside the contract's columns
ROW = "row"  # of a rejected row: the row as the source has it, as JSON
REASON = "reason"  # of a rejected row: what could not be typed, for people
REASONS = "reasons"  # the same as codes; empty for a good row

# what a raw row may have beside the source's columns
LINE = "__line__"  # of a row that fell apart: its line, and its columns mean nothing
WHOLE = "__whole__"  # the row as JSON; without it, it is put together from the columns


@dataclass(frozen=True)
class Typing:
    """How one table's rows are typed.

    `columns` maps the contract's columns to raw ones, `names` maps raw columns to what the source calls
    them (for rejected rows). `fell_apart` says what is wrong with a row that has a LINE.
    """

    contract: Contract
    columns: Mapping[str, str]
    names: Mapping[str, str]
    separator: str = "|"
    null_values: tuple[str, ...] = ()
    fell_apart: str = ""


def typing_of(declared: Declared, layout: Layout) -> Typing:
    """Return how rows of files that are written like `layout` are typed; raises Refused for a name that is ours.

    Raw columns are called as in the source; in CSV, whose columns may have any name, c0, c1, … as they stand.
    """
    table, contract = declared.table, declared.contract
    names = table.columns
    if table.format != "csv" and (ours := {LINE, WHOLE} & set(names.values())):
        raise Refused(
            f"{declared.where}.columns: no column may be called {ours.pop()!r}", "call it otherwise"
        )
    if table.format == "csv":
        places = {f"c{n}": name for n, name in enumerate(layout.columns)}
        by_name = {name: place for place, name in places.items()}
        columns = {column: by_name[name] for column, name in names.items()}
        called = {place: name or place for place, name in places.items()}
        fell_apart = f"row: it has not the {len(places)} fields of the header"
    elif table.format == "jsonl":
        columns, called, fell_apart = dict(names), {}, "row: it is no JSON object"
    else:
        columns, called, fell_apart = dict(names), {name: name for name in names.values()}, ""
    return Typing(contract, columns, called, table.list_separator, table.null_values, fell_apart)


def type_batches(typing: Typing, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Type one batch after the other; see `type_batch`."""
    for batch in batches:
        yield type_batch(batch, typing)


def type_lines(typing: Typing, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Type batches of one text column without nulls that holds a JSON object a line; empty lines are no rows."""
    names = list(dict.fromkeys(typing.columns.values()))
    for batch in batches:
        # Spark hands on bytes that are no UTF-8 as they are
        texts = [line.decode("utf-8", "replace") for line in batch.column(0).cast(pa.binary()).to_pylist()]
        lines = [line.lstrip("\ufeff") for line in texts if line.strip()]
        rows = [_cells(line, names) for line in lines]
        columns = [[None if row is None else row[place] for row in rows] for place in range(len(names))]
        broken = [line if row is None else None for line, row in zip(lines, rows, strict=True)]
        arrays = [pa.array(column, pa.string()) for column in (*columns, broken, lines)]
        yield type_batch(pa.RecordBatch.from_arrays(arrays, [*names, LINE, WHOLE]), typing)


def _cells(line: str, names: Sequence[str]) -> list[str | None] | None:
    """Return the values of an object's keys as texts, numbers as they are written; None for a line without an object."""
    try:
        found = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
        return [_text(found.get(name)) for name in names] if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        return None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return whole_characters(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def type_batch(raw: pa.RecordBatch, typing: Typing) -> pa.RecordBatch:
    """Return the contract's columns, typed, with `row`, `reason` and `reasons`.

    Columns that the source does not have are null.
    """
    complaints: dict[int, list[tuple[str, str]]] = {}
    whole = pc.is_null(raw.column(LINE)) if LINE in raw.schema.names else None
    for index in [] if whole is None else _indices(pc.invert(whole)):
        complaints[index] = [("malformed_row", typing.fell_apart)]
    made: dict[str, pa.Array] = {}
    for column in typing.contract.columns:
        if column.name not in typing.columns:
            made[column.name] = pa.nulls(raw.num_rows, ARROW_TYPES[column.type])
            continue
        found = without_blanks(raw.column(typing.columns[column.name]), typing.null_values)
        found = found if whole is None else pc.if_else(whole, found, None)
        values = to_type(found, column.type, typing.separator, typing.null_values)
        for index in _indices(pc.and_(pc.is_valid(found), pc.is_null(values))):
            complaints.setdefault(index, []).append(_complaint(column, _value(found[index])))
        made[column.name] = values
    for index in _nowhere(typing.contract, made):
        needed = " nor ".join(typing.contract.one_of)
        complaints.setdefault(index, [("no_place", f"row: it has neither {needed}")])
    rejected = _rejected(raw, typing, complaints)
    return pa.RecordBatch.from_arrays(
        [*made.values(), *rejected], [*typing.contract.names, ROW, REASON, REASONS]
    )


def _nowhere(contract: Contract, made: Mapping[str, pa.Array]) -> list[int]:
    """Return the rows in which none of the contract's `one_of` is set."""
    return (
        _indices(pc.is_null(pc.coalesce(*(made[name] for name in contract.one_of))))
        if contract.one_of
        else []
    )


def _complaint(column: Column, found: Any) -> tuple[str, str]:
    text = str(found)
    shown = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    return untypable(column), f"{column.name}: {shown!r} is no {NOUNS[column.type]}"


def untypable(column: Column) -> str:
    """Return the code among a row's reasons of a cell that is not of its column's type."""
    return f"{column.name}_not_{column.type}"


def _rejected(
    raw: pa.RecordBatch, typing: Typing, complaints: Mapping[int, list[tuple[str, str]]]
) -> list[pa.Array]:
    """Return `row`, `reason` and `reasons` of every row; only those of rejected ones are set."""
    rows: list[str | None] = [None] * raw.num_rows
    reason: list[str | None] = [None] * raw.num_rows
    reasons: list[list[str]] = [[] for _ in range(raw.num_rows)]
    for index, said in complaints.items():
        rows[index] = _as_json(raw, index, typing)
        reason[index] = "; ".join(text for _, text in said)
        reasons[index] = [code for code, _ in said]
    return [
        pa.array(rows, pa.string()),
        pa.array(reason, pa.string()),
        pa.array(reasons, pa.list_(pa.string())),
    ]


def _as_json(raw: pa.RecordBatch, index: int, typing: Typing) -> str:
    def cell(name: str) -> Any:
        return _value(in_utf8(raw.column(name).slice(index, 1))[0]) if name in raw.schema.names else None

    if cell(LINE) is not None:
        return json.dumps({"line": cell(LINE)}, ensure_ascii=False)
    if cell(WHOLE) is not None:
        return str(cell(WHOLE))
    row = {name: cell(column) for column, name in typing.names.items()}
    return json.dumps({k: v for k, v in row.items() if v is not None}, ensure_ascii=False, default=str)


def _value(cell: pa.Scalar) -> Any:
    """Return a cell's value; a moment outside the years that Python's datetime can say as text."""
    try:
        return cell.as_py()
    except (ValueError, OverflowError):
        return cell.cast(pa.string()).as_py()


def _indices(mask: pa.Array) -> list[int]:
    found: list[int] = pc.indices_nonzero(mask).to_pylist()
    return found
