"""What would make a table unreadable as a whole is refused before anything is read, in one line with a hint."""

import bz2
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_tasks.contracts import INTERACTIONS, ITEMS
from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import SourceTable
from pipeline_tasks.sources import Declared, Layout, layouts
from pipeline_tasks.sources.columns import unwritten
from pipeline_tasks.sources.typed import LINE, WHOLE, typing_of

COLUMNS = {"user_id": "user", "item_id": "item", "event_time": "time"}


def look(tmp_path: Path, uri: str = "*", **fields: Any) -> list[Layout]:
    table = SourceTable(uri=f"{tmp_path.as_uri()}/{uri}", **{"format": "csv", "columns": COLUMNS, **fields})
    return layouts(Declared(table, INTERACTIONS, "sources.tiny.interactions"))


def refusal(tmp_path: Path, **fields: Any) -> str:
    with pytest.raises(Refused) as refused:
        look(tmp_path, **fields)
    assert "\n" not in str(refused.value)
    assert refused.value.hint
    return str(refused.value)


def test_files_are_grouped_by_their_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\ufeffuser,item,time\nu,i,0\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text('time,"user", item ,more\n')
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"user,item,time\r\n"))
    (tmp_path / "d.csv").write_bytes(b"")
    first, second = look(tmp_path)
    assert [uri.rpartition("/")[2] for uri in first.files] == ["a.csv", "c.csv.gz"]
    assert first.columns == ("user", "item", "time")
    assert second.columns == ("time", "user", "item", "more")


def test_without_a_header_columns_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("u\ti\t0\n")
    numbered = {"user_id": "0", "item_id": "1", "event_time": "2"}
    (layout,) = look(tmp_path, delimiter="\t", header=False, columns=numbered)
    assert layout.columns == ("0", "1", "2")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, uri="a.csv")
    assert "there is no file at" in said
    assert "sources.tiny.interactions.uri" in said


def test_files_without_a_byte_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    assert "is empty: no file holds a single byte" in refusal(tmp_path)


def test_a_missing_column_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,movie,time\n")
    said = refusal(tmp_path)
    assert (
        "a.csv: column 'item' (interactions.item_id) is not there; its columns are user, movie, time" in said
    )
    assert "sources.tiny.interactions.columns" in said


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item,time,item\n")
    assert "column 'item' (interactions.item_id) is there twice" in refusal(tmp_path)


@pytest.mark.parametrize(("mark", "name"), [(";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_a_wrong_delimiter_is_recognized(tmp_path: Path, mark: str, name: str) -> None:
    (tmp_path / "a.csv").write_text(f"user{mark}item{mark}time\n")
    said = refusal(tmp_path)
    assert "has all in one column" in said
    assert f"set sources.tiny.interactions.delimiter to the {name}, {json.dumps(mark)}" in said


def test_one_column_without_any_delimiter_lacks_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user\n")
    assert "column 'item' (interactions.item_id) is not there" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("data", "instead"),
    [
        (b"user,item\xff", "write it again, as UTF-8"),
        (b"PAR1\x15\x04\xff\xfe\x80", "set format in the source's declaration"),
        (gzip.compress(b"user,item,time", mtime=0), "let its name end in .gz"),
        (bz2.compress(b"user,item,time"), "let its name end in .bz2"),
    ],
)
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, data: bytes, instead: str) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    said = refusal(tmp_path)
    assert "is no UTF-8 text" in said
    assert instead in said


@pytest.mark.parametrize("header", [True, False])
def test_csv_that_begins_with_an_empty_line_is_refused(tmp_path: Path, header: bool) -> None:
    (tmp_path / "a.csv").write_text("\nuser,item,time\n")
    columns = {} if header else {"columns": {"user_id": "0", "item_id": "1", "event_time": "2"}}
    assert "a.csv: its first line is empty" in refusal(tmp_path, header=header, **columns)


def test_json_lines_need_the_required_keys_somewhere(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"user": 1, "time": 0}\n' + "[" * 100_000 + '\n{"user": 2, "item": 3}\n'
    )
    (layout,) = look(tmp_path, format="jsonl")
    assert layout.columns == ("user", "time", "item")
    (tmp_path / "a.jsonl").write_text('{"user": 1, "thing": 0}\n\nnot json\n')
    assert "column 'item' (interactions.item_id) is not there; its columns are user, thing" in refusal(
        tmp_path, format="jsonl"
    )


@pytest.mark.parametrize("name", [LINE, WHOLE])
def test_a_key_that_is_called_as_what_a_row_may_have_beside_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"user": 1, name: 2, "time": 0}) + "\n")
    uri = (tmp_path / "a.jsonl").as_uri()
    table = SourceTable(uri=uri, format="jsonl", columns={**COLUMNS, "item_id": name})
    declared = Declared(table, INTERACTIONS, "sources.tiny.interactions")
    (layout,) = layouts(declared)
    with pytest.raises(Refused, match=f"interactions.columns: no column may be called '{name}'"):
        typing_of(declared, layout)


def test_json_that_is_no_object_a_line_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('[\n{"user": 1},\n')
    assert "is not JSON lines: its first 2 lines hold no object" in refusal(tmp_path, format="jsonl")


def items(tmp_path: Path, **columns: str) -> Declared:
    uri = f"{tmp_path.as_uri()}/*.jsonl"
    table = SourceTable(uri=uri, format="jsonl", columns={"item_id": "item", **columns})
    return Declared(table, ITEMS, "sources.tiny.items")


def test_a_key_that_only_a_text_holds_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"item": 1, "in_stock": false, "title": "\\"in_stok\\""}\n')
    of = items(tmp_path, available="in_stok")
    assert unwritten(of, layouts(of), ["item_id", "available"]) == ["available"]


@pytest.mark.parametrize("key", ["in_stock", "in\\u005fstock"])
def test_a_key_that_one_late_row_of_one_file_has_is_there(tmp_path: Path, key: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"item": 1}\n')
    (tmp_path / "b.jsonl").write_text('{"item": 2}\n' * 3000 + f'{{"item": 3, "{key}": false}}\n')
    of = items(tmp_path, available="in_stock", title="name", price="cost")
    (layout,) = layouts(of)
    assert layout.columns == ("item",)
    assert unwritten(of, [layout], ["item_id", "available", "title", "brand"]) == ["title"]


def parquet(path: Path, **types: pa.DataType) -> Path:
    pq.write_table(pa.schema(list(types.items())).empty_table(), path)
    return path


def test_parquet_files_are_grouped_by_their_types(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", user=pa.int64(), item=pa.string(), time=pa.timestamp("ns"))
    parquet(tmp_path / "b.parquet", user=pa.string(), item=pa.string(), time=pa.date32())
    parquet(tmp_path / "c.parquet", user=pa.int64(), item=pa.string(), time=pa.timestamp("ns"), x=pa.uuid())
    first, second = look(tmp_path, format="parquet")
    assert [uri.rpartition("/")[2] for uri in first.files] == ["a.parquet", "c.parquet"]
    assert len(second.files) == 1


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", user=pa.string(), item=pa.string(), time=pa.int64())
    path.write_bytes(path.read_bytes()[:-20])
    said = refusal(tmp_path, format="parquet")
    assert "a.parquet is no whole Parquet file" in said
    assert "truncated" in said


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.struct([("at", pa.int64())]), "struct<at: int64>"),
        (pa.list_(pa.int64()), "list<"),
        (pa.bool_(), "bool"),
        (pa.time32("ms"), "time32[ms]"),
    ],
)
def test_a_parquet_column_of_a_useless_type_is_refused(tmp_path: Path, kind: pa.DataType, name: str) -> None:
    parquet(tmp_path / "a.parquet", user=pa.string(), item=pa.string(), time=kind)
    said = refusal(tmp_path, format="parquet")
    assert f"column 'time' holds {name}" in said
    assert "of which no timestamp (event_time) can be made" in said


def vectors(tmp_path: Path, kind: pa.DataType) -> list[Layout]:
    uri = parquet(tmp_path / "items.parquet", item=pa.string(), vec=kind).as_uri()
    table = SourceTable(uri=uri, format="parquet", columns={"item_id": "item", "embedding": "vec"})
    return layouts(Declared(table, ITEMS, "sources.tiny.items"))


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 3), pa.string()])
def test_a_parquet_column_of_lists_of_numbers_or_of_text_may_hold_vectors(
    tmp_path: Path, kind: pa.DataType
) -> None:
    assert len(vectors(tmp_path, kind)) == 1


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.float16(), "halffloat"),
        (pa.list_(pa.float16()), "list<element: halffloat>"),
        (pa.list_(pa.decimal256(39, 2)), "list<element: decimal256(39, 2)>"),
    ],
)
def test_numbers_that_spark_cannot_read_are_refused(tmp_path: Path, kind: pa.DataType, name: str) -> None:
    with pytest.raises(Refused) as refused:
        vectors(tmp_path, kind)
    assert f"column 'vec' holds {name}, which Spark cannot read" in str(refused.value)


@pytest.mark.parametrize("kind", [pa.float64(), pa.list_(pa.bool_())])
def test_a_parquet_column_of_other_things_holds_no_vectors(tmp_path: Path, kind: pa.DataType) -> None:
    with pytest.raises(Refused, match=r"of which no vector \(embedding\) can be made"):
        vectors(tmp_path, kind)
