"""Columns of a source read without Spark: cell for cell what a Spark session makes of the same files."""

import bz2
import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_tasks.contracts import ITEMS
from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import SourceTable
from pipeline_tasks.sources import Declared, layouts
from pipeline_tasks.sources.reading import typed_columns

ASKED = ["item_id", "updated_at", "available"]
COLUMNS = {"item_id": "id", "updated_at": "at", "title": "title", "available": "ok"}


def declared(folder: Path, kind: str, **fields: Any) -> Declared:
    table = SourceTable(uri=f"{folder.as_uri()}/*", **{"format": kind, "columns": COLUMNS, **fields})
    return Declared(table, ITEMS, "sources.tiny.items")


def read(of: Declared) -> list[tuple[Any, ...]]:
    """Return the rows that have an id, in order, without what could not be typed in them."""
    return [row[: len(ASKED)] for row in read_with_reasons(of)]


def read_with_reasons(of: Declared) -> list[tuple[Any, ...]]:
    rows = [tuple(row.values()) for row in typed_columns(of, layouts(of), ASKED).to_pylist()]
    return sorted((row for row in rows if row[0] is not None), key=str)


def read_by_spark(spark: Any, of: Declared, scratch: Path) -> list[tuple[Any, ...]]:
    from pipeline_tasks.spark.reading import spark_paths, typed_table

    looked = layouts(of)
    uris = [uri for layout in looked for uri in layout.files]
    paths = spark_paths(of, uris, scratch, cluster=False)
    rows = typed_table(spark, of, looked, paths).select(ASKED).toArrow().to_pylist()
    return sorted((tuple(row.values()) for row in rows if row["item_id"] is not None), key=str)


CSV = {
    "line breaks and quotes": b'id,title,at,ok\ni1,"two\nlines, ""x""",2026-01-01,no\ni2,"a\r\nb",0,yes\n',
    "no newline at the end": b"id,title,at,ok\ni1,t,1767225600,1",
    "windows": b"id,title,at,ok\r\ni1,t,2026-01-01T10:00:00Z,true\r\n\r\ni2,,,\r\n",
    "returns within": b'id,title,at,ok\ni1,two\rlines,0,no\ni2,"a\rb\r\nc",0,yes\ni3,t,0,1\n',
    "returns within, windows": b"id,title,at,ok\r\ni1,two\rlines,0,no\r\ni2,t\nx\r\ni3\r4,t,0,1\r\n",
    "returns at ends": b"ok,title,at,id\nno,t,0,i1\r\nyes,t,0,i2\n",
    "returns alone": b'id,title,at,ok\ri1,t,0,no\ri2,"a\rb",0,1\r',
    "byte order mark": b"\xef\xbb\xbfid,title,at,ok\ni1,t,0,1\n",
    "rows that fell apart": b"id,title,at,ok\ni1,t,0\ni2,t,0,1\ni3,t,0,1,more\n\n   \ni4,t,0,0\n",
    "quotes where none belong": b'id,title,at,ok\ni1,5" pipe,0,1\ni2,"a",0,"no"\n i3 , "x",0, no \ni4,x"y"z,0,1\n',
    "empty and blank cells": b'id,title,at,ok\n"",t,0,1\n  ,t,0,1\ni1,,"",""\n\\N,,,\n',
    "odd ids": "id,title,at,ok\n../x,t,0,1\n\"a,b\",t,0,1\n用户🦉,t,0,1\nback\\slash,t,0,1\n'q',t,0,0\n".encode(),
    # in the beginning they would be refused
    "bytes that are no text": b"id,title,at,ok\ni0,"
    + b"x" * (3 << 19)
    + b",0,1\ni1\xe9,caf\xe9,0,no\ni2,\xff\xfe,0,1\n",
    "a long text": b"id,title,at,ok\ni1," + b"x" * 300_000 + b",0,no\n",
    "a NUL": b"id,title,at,ok\ni1,a\x00b,0,no\n",
    "cells of no type": b"id,title,at,ok\ni1,t,yesterday,perhaps\ni2,t,20260101,0.0\ni3,t,1767225600000,F\n",
    "a header alone": b"id,title,at,ok\n",
}


@pytest.mark.parametrize("name", CSV)
def test_csv(spark: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_bytes(CSV[name])
    of = declared(tmp_path / "in", "csv", null_values=["\\N"])
    found = read(of)
    assert found == read_by_spark(spark, of, tmp_path / "t")
    assert bool(found) == (name != "a header alone")


def test_csv_of_several_layouts_and_packings(spark: Any, tmp_path: Path) -> None:
    (tmp_path / "a [1].csv").write_bytes(b"id,title,at,ok\ni1,t,0,1\n")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"ok,at,more,title,id\nno,1,x,t,i2\n"))
    (tmp_path / "c.csv.bz2").write_bytes(bz2.compress(b"id,title,at,ok\ni3,t,2,0\n"))
    of = declared(tmp_path, "csv")
    found = read(of)
    assert [(row[0], row[2]) for row in found] == [("i1", True), ("i2", False), ("i3", False)]
    assert found == read_by_spark(spark, of, tmp_path.parent / "t")


def test_csv_without_a_header_between_other_marks(spark: Any, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("1\ti1\tt\t0\n0\ti2\tt\t1\n")
    columns = {"item_id": "1", "updated_at": "3", "available": "0"}
    of = declared(tmp_path, "csv", delimiter="\t", header=False, columns=columns)
    found = read(of)
    assert [(row[0], row[2]) for row in found] == [("i1", True), ("i2", False)]
    assert found == read_by_spark(spark, of, tmp_path.parent / "t")


def test_json_lines(spark: Any, tmp_path: Path) -> None:
    rows: list[Any] = [
        {"id": 7, "at": "2026-01-01", "ok": True}, {"id": "x", "ok": "no"}, {"id": {"deep": [1]}, "at": 1e3},
        {"id": "half \ud83e"}, {"id": None}, [1, 2], {"id": "ü", "ok": 0, "at": 12.5}, {"title": "no id"},
    ]  # fmt: skip
    text = "\ufeff" + "\r\n".join(json.dumps(row) for row in rows) + '\n\nnot json\n{"id": "last"}'
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8", newline="")
    (tmp_path / "b.jsonl").write_bytes(b'{"id": "x"}\n' * 2000 + b'{"id": "caf\xe9"}\n')
    of = declared(tmp_path, "jsonl")
    found = read(of)
    assert found == read_by_spark(spark, of, tmp_path.parent / "t")
    assert len(found) == 2007


NO_UTF8 = pa.array([b"caf\xc3", b"\xff\xfeb"])
PARQUET: dict[str, dict[str, Any]] = {
    "native": {"id": ["a", None, "b"], "at": [datetime(2026, 1, 1, 5, tzinfo=UTC), None, datetime(1969, 1, 1, tzinfo=UTC)], "ok": [True, None, False]},
    "numbers": {"id": [7, 8, None], "at": [1767225600, 1767225600000, None], "ok": [1, 0, None]},
    "floats": {"id": [7.0, None, 8.5], "at": [1.5, float("nan"), 2e9], "ok": ["yes", "?", "0.0"]},
    "bytes and days": {"id": [b"a", b"b"], "at": [date(2026, 1, 1), None], "ok": ["true", " NO "]},
    "bytes that are no text": {"id": NO_UTF8, "at": NO_UTF8, "ok": ["no", "yes"]},
    "texts that are none": {"id": pa.Array.from_buffers(pa.string(), 2, NO_UTF8.buffers()), "at": ["0", "1"], "ok": ["no", "yes"]},
    "views of texts": {"id": pa.array(["a", "b"], pa.string_view()), "at": pa.array(["0", "x"], pa.string_view()), "ok": pa.array(["no", ""], pa.string_view())},
    "long bytes": {"id": pa.array([b"a", b"caf\xc3"], pa.large_binary()), "at": pa.array(["0", "1"], pa.large_string()), "ok": ["no", "yes"]},
    "small numbers": {"id": pa.array([1, 255], pa.uint8()), "at": pa.array([0, 1 << 31], pa.uint32()), "ok": pa.array([0, 1], pa.int8())},
    "long numbers": {"id": pa.array([1, 1 << 63], pa.uint64()), "at": pa.array([1, 2], pa.float32()), "ok": pa.array([0, 2], pa.uint16())},
    "whole seconds": {"id": pa.array([1, -1], pa.int16()), "at": pa.array([0, 86_400], pa.timestamp("s")), "ok": pa.nulls(2)},
    "milliseconds": {"id": pa.array(["a", "b"]).dictionary_encode(), "at": pa.array([0, 1], pa.timestamp("ms", "Europe/Berlin")), "ok": [True, False]},
    "days as milliseconds": {"id": ["a", "b"], "at": pa.array([0, 86_400_000], pa.date64()), "ok": [True, False]},
    "decimals": {"id": [Decimal("12.50"), Decimal("3.00")], "at": ["2026-01-01T00:00:00+02:00", "x"], "ok": [True, False]},
}  # fmt: skip


@pytest.mark.parametrize("name", PARQUET)
def test_parquet(spark: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    titles = ["t"] * len(PARQUET[name]["id"])
    pq.write_table(pa.table({"title": titles, **PARQUET[name]}), tmp_path / "in" / "a.parquet")
    of = declared(tmp_path / "in", "parquet")
    found = read(of)
    assert found
    assert found == read_by_spark(spark, of, tmp_path / "t")


@pytest.mark.parametrize(
    "kind", [pa.float16(), pa.list_(pa.float16()), pa.time32("ms"), pa.time64("us"), pa.time64("ns"), pa.uuid(), pa.decimal256(76)]
)  # fmt: skip
def test_a_column_that_nobody_maps_may_be_of_a_type_that_spark_does_not_know(
    spark: Any, tmp_path: Path, kind: pa.DataType
) -> None:
    (tmp_path / "in").mkdir()
    mapped = {"id": ["a"], "at": [0], "title": ["t"], "ok": [True]}
    pq.write_table(pa.table({"strange": pa.nulls(1, kind), **mapped}), tmp_path / "in" / "a.parquet")
    of = declared(tmp_path / "in", "parquet")
    assert len(read(of)) == 1
    assert read(of) == read_by_spark(spark, of, tmp_path / "t")


@pytest.mark.parametrize("how", [{}, {"use_deprecated_int96_timestamps": True}], ids=["nanoseconds", "int96"])
def test_parquet_as_pandas_writes_it(spark: Any, tmp_path: Path, how: dict[str, Any]) -> None:
    (tmp_path / "in").mkdir()
    times = ["2026-01-31 12:00:00.123456", None, "1971-05-01 00:00:00.000001", "1968-01-01"]
    at = pd.to_datetime(times, format="ISO8601").astype("datetime64[ns]")
    frame = pd.DataFrame({"id": pd.Categorical([*"abcd"]), "at": at, "title": "t", "ok": [True, False] * 2})
    frame.to_parquet(tmp_path / "in" / "a.parquet", **how)
    of = declared(tmp_path / "in", "parquet")
    found = read(of)
    assert [(row[0], row[1] and row[1].year) for row in found] == [
        ("a", 2026),
        ("b", None),
        ("c", 1971),
        ("d", 1968),
    ]
    assert found == read_by_spark(spark, of, tmp_path / "t")


def test_columns_that_the_source_has_not_are_null(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\ni1\n")
    assert read(declared(tmp_path, "csv", columns={"item_id": "id"})) == [("i1", None, None)]


def test_what_cannot_be_typed_is_told_from_what_is_not_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,title,at,ok\ni1,t,0,out of stock\ni2,t,0,\ni3,t,soon,-1\n")
    assert [(row[0], row[-1]) for row in read_with_reasons(declared(tmp_path, "csv"))] == [
        ("i1", ["available_not_boolean"]),
        ("i2", []),
        ("i3", ["updated_at_not_timestamp", "available_not_boolean"]),
    ]


def test_a_source_on_s3_is_read_there(s3_lake: Any, tmp_path: Path) -> None:
    s3_lake.write("csv/a.csv", b"id,title,at,ok\ni1,t,0,no\n")
    s3_lake.write("csv/b.csv.gz", gzip.compress(b"id,title,at,ok\ni2,t,0,yes\n"))
    pq.write_table(pa.table({"id": ["i1"], "at": [0], "title": ["t"], "ok": [False]}), tmp_path / "a.parquet")
    s3_lake.upload(tmp_path / "a.parquet", "parquet/a.parquet")
    for kind, found in {"csv": [("i1", False), ("i2", True)], "parquet": [("i1", False)]}.items():
        table = SourceTable(uri=f"{s3_lake.uri}/{kind}/*", format=kind, columns=COLUMNS)  # type: ignore[arg-type]
        rows = read(Declared(table, ITEMS, "sources.tiny.items"))
        assert [(name, available) for name, _, available in rows] == found
    s3_lake.write("csv/b.csv.gz", gzip.compress(b"id,title,at,ok\ni2,t,0,yes\n" * 9)[:-9])
    of = Declared(
        SourceTable(uri=f"{s3_lake.uri}/csv/*", format="csv", columns=COLUMNS), ITEMS, "sources.tiny.items"
    )
    with pytest.raises(Refused, match=r"s3://.*/csv/b\.csv\.gz cannot be read: Compressed file ended"):
        read(of)


def test_a_file_that_breaks_off_is_refused_by_name(tmp_path: Path) -> None:
    rows = [f"{n:x}" * 40 for n in range(2000)]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": rows, "at": rows, "title": rows, "ok": rows}), path, use_dictionary=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + b"\0" * 2000 + whole[2200:])
    with pytest.raises(Refused, match=r"a\.parquet cannot be read to its end: .*damaged"):
        read(declared(tmp_path, "parquet"))


def test_a_packed_file_that_breaks_off_is_refused_by_name(tmp_path: Path) -> None:
    text = "id,title,at,ok\n" + "".join(f"i{n},t{n * n},0,1\n" for n in range(300_000))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode())[:-100_000])
    with pytest.raises(Refused, match=r"a\.csv\.gz cannot be read: Compressed file ended .*damaged"):
        read(declared(tmp_path, "csv"))
