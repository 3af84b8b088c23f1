"""What the files of a source's table look like: its declaration in, checked layouts out.

Everything that would make a table unreadable as a whole is refused here, before Spark starts: a wrong
delimiter, a column that is not there, a broken file, a type of which nothing can be made.
"""

import csv
import io
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.contracts import SOURCE_TABLES, ColumnType, Contract
from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import SourceTable
from pipeline_tasks.sources.choice import ChosenSource
from pipeline_tasks.sources.files import files, open_file, open_text
from pipeline_tasks.sources.texts import is_list, is_text

HEAD_CHARACTERS = 1 << 20
SAMPLE_LINES = 1000
FILES_AT_ONCE = 8
INT96 = pa.timestamp("us", "UTC")
NO_TYPES = pa.schema([])
# digits of a decimal number that Spark can read
SPARK_DIGITS = 38
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@dataclass(frozen=True)
class Layout:
    """Files of one table that are written alike: their URIs, and all their columns in order.

    For JSON lines `columns` are the keys of all files' first lines. `types` are those of the mapped columns of Parquet
    files; an int96, which is no nanosecond to Spark, is a moment of microseconds there.
    """

    files: tuple[str, ...]
    columns: tuple[str, ...]
    types: pa.Schema = NO_TYPES


@dataclass(frozen=True)
class Declared:
    """One table of a source: how it is declared, its contract, and the settings key that says so."""

    table: SourceTable
    contract: Contract
    where: str


class _Seen(NamedTuple):
    columns: tuple[str, ...]
    alike: tuple[str, ...]  # files with the same are read together
    types: pa.Schema = NO_TYPES


def declared(chosen: ChosenSource, name: str) -> Declared | None:
    """Return a table of the source with its contract, None where the source has no such table."""
    table = chosen.table(name)
    return Declared(table, SOURCE_TABLES[name], f"sources.{chosen.name}.{name}") if table else None


def layouts(declared: Declared) -> list[Layout]:
    """Return the table's files grouped by layout; files without a byte are left out.

    Raises Refused, naming the file, what was found in it and what to do.
    """
    table = declared.table
    found = files(table)
    if not found:
        raise Refused(f"there is no file at {table.uri}", f"see {declared.where}.uri")
    look = {"csv": _look_at_csv, "jsonl": _look_at_json, "parquet": _look_at_parquet}[table.format]
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        seen = list(pool.map(lambda uri: look(uri, declared), found))
    groups: dict[tuple[str, ...], Layout] = {}
    for uri, each in zip(found, seen, strict=True):
        if each:
            before = groups.get(each.alike, Layout((), each.columns, each.types))
            more = tuple(key for key in each.columns if key not in before.columns)
            groups[each.alike] = replace(before, files=(*before.files, uri), columns=before.columns + more)
    if not groups:
        raise Refused(f"{table.uri} is empty: no file holds a single byte", f"see {declared.where}.uri")
    return list(groups.values())


def unwritten(declared: Declared, layouts: Iterable[Layout], names: Iterable[str]) -> list[str]:
    """Return those of the contract's columns `names` that are mapped to keys which no row of JSON lines has.

    Files whose first lines show all of them are not read on. In other formats every mapped column is there.
    """
    keys = declared.table.columns
    absent = {name: keys[name] for name in names if name in keys}
    if declared.table.format != "jsonl":
        return []
    for layout in layouts:
        absent = {name: key for name, key in absent.items() if key not in layout.columns}
        for uri in layout.files if absent else ():
            found = _keys_in(uri, set(absent.values()))
            absent = {name: key for name, key in absent.items() if key not in found}
    return list(absent)


def told_unwritten(declared: Declared, layouts: Iterable[Layout], names: Iterable[str]) -> list[str]:
    """Return a warning for each column that is `unwritten`; of what can be had it says what that means."""
    table, keys = declared.contract.name, declared.table.columns
    then = {"available": ": every item counts as available"}
    return [
        f"{table}.{name} is mapped to {keys[name]!r}, which no row has{then.get(name, '')}"
        for name in unwritten(declared, layouts, names)
    ]


def _keys_in(uri: str, keys: set[str]) -> set[str]:
    """Return those of the keys that a row of the file has; it is read until all are found."""
    found: set[str] = set()
    with open_text(uri, errors="replace") as text:
        for line in text:
            # cheaper than to read every line as JSON; a key that is written with escapes has a backslash
            if "\\" in line or any(f'"{key}"' in line for key in keys - found):
                row = _json(line)
                found |= keys & row.keys() if isinstance(row, dict) else set()
            if found == keys:
                break
    return found


def _look_at_csv(uri: str, declared: Declared) -> _Seen | None:
    with open_text(uri) as text:
        head = text.read(HEAD_CHARACTERS)
    if not head:
        return None
    table = declared.table
    cells = next(csv.reader(io.StringIO(head, newline=""), delimiter=table.delimiter), [])
    if not cells:
        raise Refused(f"{uri}: its first line is empty", "begin the file with its header, or its first row")
    columns = tuple(cell.strip() for cell in cells) if table.header else _numbered(len(cells))
    if len(columns) == 1 and len(table.columns) > 1:
        _refuse_delimiter(uri, cells[0], declared)
    _require(uri, columns, declared, table.columns)
    return _Seen(columns, columns)


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(str(n) for n in range(count))


def _refuse_delimiter(uri: str, line: str, declared: Declared) -> None:
    delimiter = declared.table.delimiter
    other = next((mark for mark in DELIMITERS if mark != delimiter and mark in line), None)
    if other:
        raise Refused(
            f"{uri} has all in one column, {_short(line)!r}: it is not separated by {delimiter!r}",
            f"set {declared.where}.delimiter to the {DELIMITERS[other]}, {json.dumps(other)}",
        )


def _look_at_json(uri: str, declared: Declared) -> _Seen | None:
    with open_text(uri) as text:
        lines = [line for line in islice(text, SAMPLE_LINES) if line.strip()]
    if not lines:
        return None
    rows = [row for row in map(_json, lines) if isinstance(row, dict)]
    if not rows:
        raise Refused(
            f"{uri} is not JSON lines: its first {len(lines)} lines hold no object",
            f"write one object a line, or correct {declared.where}.format",
        )
    keys = tuple(dict.fromkeys(key for row in rows for key in row))
    _require(uri, keys, declared, declared.contract.required)
    return _Seen(keys, ())


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _look_at_parquet(uri: str, declared: Declared) -> _Seen | None:
    try:
        with open_file(uri) as handle, pq.ParquetFile(handle) as file:
            schema, stored = file.schema_arrow, file.schema
    except (pa.ArrowException, OSError) as error:
        reason = _short(str(error).partition("\n")[0])
        raise Refused(
            f"{uri} is no whole Parquet file: {reason}", "it may be truncated: write it again"
        ) from error
    columns = declared.table.columns
    _require(uri, tuple(schema.names), declared, columns)
    for name, source_name in columns.items():
        kind, wanted = schema.field(source_name).type, declared.contract.column(name).type
        if "`" in source_name:
            raise Refused(
                f"{uri}: Spark cannot read a column whose name has a backtick in it: {source_name!r}",
                f"call it otherwise, or map another column in {declared.where}.columns",
            )
        if _is_foreign(kind) or not _usable(kind, wanted):
            why = f"of which no {wanted} ({name}) can be made"
            raise Refused(
                f"{uri}: column {source_name!r} holds {kind}, {'which Spark cannot read' if _is_foreign(kind) else why}",
                f"convert it, or map another column in {declared.where}.columns",
            )
    leaves = (stored.column(number) for number in range(len(stored)))
    int96 = {leaf.path for leaf in leaves if leaf.physical_type == "INT96"}
    mapped = dict.fromkeys(columns.values())
    types = pa.schema([(name, INT96 if name in int96 else schema.field(name).type) for name in mapped])
    return _Seen(tuple(schema.names), tuple(map(str, types)), types)


def _is_foreign(kind: pa.DataType) -> bool:
    """Say whether Spark cannot read values, or those of lists: floats of 16 bits, decimals of many digits."""
    if is_list(kind) or pa.types.is_dictionary(kind):
        return _is_foreign(kind.value_type)
    half: bool = pa.types.is_float16(kind)
    return half or (pa.types.is_decimal(kind) and kind.precision > SPARK_DIGITS)


def _usable(kind: pa.DataType, wanted: ColumnType) -> bool:
    """Say whether values of an Arrow type can be made into values of the contract's type."""
    if pa.types.is_dictionary(kind):
        return _usable(kind.value_type, wanted)
    if is_list(kind):
        of: dict[ColumnType, ColumnType] = {"strings": "string", "vector": "float"}
        return wanted in of and _usable(kind.value_type, of[wanted])
    types = pa.types
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    day = types.is_timestamp(kind) or types.is_date(kind)
    others: dict[ColumnType, bool] = {
        "string": number or day or types.is_boolean(kind),
        "timestamp": number or day,
        "integer": number,
        "float": number,
        "boolean": types.is_boolean(kind) or types.is_integer(kind),
    }
    return is_text(kind) or others.get(wanted, False)


def _require(uri: str, found: tuple[str, ...], declared: Declared, names: Iterable[str]) -> None:
    """Refuse a file in which a needed column is absent, or there twice."""
    for name in names:
        column = declared.table.columns[name]
        if found.count(column) != 1:
            raise Refused(
                f"{uri}: column {column!r} ({declared.contract.name}.{name}) is "
                f"{'there twice' if column in found else 'not there'}; its columns are {_short(', '.join(found))}",
                f"correct the file, or {declared.where}.columns in the settings",
            )


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "…"
