"""Files as sources write them, through Spark: every row comes out, typed or with the reason why not."""

import bz2
import gzip
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from pipeline_tasks.contracts import INTERACTIONS, ITEMS, Contract
from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import SourceTable
from pipeline_tasks.sources import Declared, layouts
from pipeline_tasks.spark.reading import reading, spark_paths, typed_table

EVENTS = {"user_id": "user", "item_id": "item", "event_time": "time"}
THINGS = {"item_id": "id", "title": "title", "tags": "tags"}


def read(spark: SparkSession, folder: Path, contract: Contract, uri: str = "*", **fields: Any) -> list[Any]:
    columns = EVENTS if contract is INTERACTIONS else THINGS
    table = SourceTable(uri=f"{folder.as_uri()}/{uri}", **{"format": "csv", "columns": columns, **fields})
    declared = Declared(table, contract, "sources.tiny.x")
    looked = layouts(declared)
    uris = [uri for layout in looked for uri in layout.files]
    paths = spark_paths(declared, uris, folder.parent / "scratch", cluster=False)
    with reading(declared):
        return typed_table(spark, declared, looked, paths).collect()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose name holds what Spark would take for a glob."""
    made = tmp_path / "data [1] {a,b}"
    made.mkdir()
    return made


def test_csv_files_of_several_layouts_and_packings_are_one_table(spark: SparkSession, folder: Path) -> None:
    (folder / "a.csv").write_text("\ufeffuser,item,time\nu1,i1,0\n\nu2,i2,1\n", encoding="utf-8")
    (folder / "b?.csv").write_bytes(b"time,item,more,user\r\n2,i3,x,u3\r\n")
    (folder / "c.csv.gz").write_bytes(gzip.compress(b"user,item,time\nu4,i4,3\n"))
    (folder / "d.csv.bz2").write_bytes(bz2.compress(b"user,item,time\nu5,i5,4\n"))
    found = read(spark, folder, INTERACTIONS)
    assert sorted((row.user_id, row.item_id, row.event_time.timestamp()) for row in found) == [
        (f"u{n}", f"i{n}", n - 1.0) for n in range(1, 6)
    ]


def test_csv_without_a_header_and_with_another_delimiter(spark: SparkSession, folder: Path) -> None:
    (folder / "a.tsv").write_text("0\tu1\ti1\n1\tu2\ti2\n")
    columns = {"user_id": "1", "item_id": "2", "event_time": "0"}
    found = read(spark, folder, INTERACTIONS, delimiter="\t", header=False, columns=columns)
    assert [(row.user_id, row.item_id) for row in found] == [("u1", "i1"), ("u2", "i2")]


def test_odd_ids_pass_through_csv(spark: SparkSession, folder: Path) -> None:
    ids = ["a/b", "..", "../../x", "o'brien", 'say ""hi""', "🦉", "用户", "a,b", "back\\slash", "x" * 10_000]
    (folder / "a.csv").write_text(
        "user,item,time\n" + "".join(f'"{each}",i,0\n' for each in ids), encoding="utf-8"
    )
    assert [row.user_id for row in read(spark, folder, INTERACTIONS)] == [
        each.replace('""', '"') for each in ids
    ]


def test_texts_of_items_may_hold_line_breaks(spark: SparkSession, folder: Path) -> None:
    (folder / "items.csv").write_text('id,title,tags\ni1,"two\nlines",a|b\ni2,"with ""quotes""",\n')
    found = read(spark, folder, ITEMS)
    assert [(row.item_id, row.title, row.tags) for row in found] == [
        ("i1", "two\nlines", ["a", "b"]),
        ("i2", 'with "quotes"', None),
    ]


def test_csv_rows_with_too_few_or_too_many_fields_are_rejected_with_their_line(
    spark: SparkSession, folder: Path
) -> None:
    (folder / "a.csv").write_text("user,item,time\nu1,i1\nu2,i2,0\nu3,i3,0,more\n")
    found = read(spark, folder, INTERACTIONS)
    assert [row.reasons for row in found] == [["malformed_row"], [], ["malformed_row"]]
    assert found[0].reason == "row: it has not the 3 fields of the header"
    assert [json.loads(row.row)["line"] for row in found if row.row] == ["u1,i1", "u3,i3,0,more"]


def test_a_header_alone_is_an_empty_table(spark: SparkSession, folder: Path) -> None:
    (folder / "a.csv").write_text("user,item,time\n")
    assert read(spark, folder, INTERACTIONS) == []


def test_json_lines_are_read_whatever_their_values_are(spark: SparkSession, folder: Path) -> None:
    (folder / "a.jsonl").write_text('{"id": 1, "title": ["x"], "tags": ["a"]}\nnot json\n{"id": "2"}\n')
    found = read(spark, folder, ITEMS, format="jsonl")
    assert [(row.item_id, row.title, row.tags, row.reasons) for row in found] == [
        ("1", '["x"]', ["a"], []),
        (None, None, None, ["malformed_row"]),
        ("2", None, None, []),
    ]


def test_parquet_as_pandas_and_others_write_it(spark: SparkSession, folder: Path) -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    times = pd.to_datetime([noon, None])
    assert times.dtype == "datetime64[ns, UTC]"
    pd.DataFrame({"user": [1.0, None], "item": ["i", "j"], "time": times}).to_parquet(folder / "a.parquet")
    table = pa.table(
        {"user": pa.array([b"u"]), "item": [2], "time": pa.array([noon.date()]), "more": [{"a": 1}]}
    )
    pq.write_table(table, folder / "b.parquet")
    found = read(spark, folder, INTERACTIONS, format="parquet")
    assert [(row.user_id, row.item_id, row.event_time and row.event_time.timestamp()) for row in found] == [
        ("1", "i", noon.timestamp()),
        (None, "j", None),
        ("u", "2", noon.replace(hour=0).timestamp()),
    ]


def test_parquet_lists_and_untypable_values(spark: SparkSession, folder: Path) -> None:
    table = pa.table({"id": ["i"], "title": [7], "tags": [["a", None, " b "]], "price": ["free"]})
    pq.write_table(table, folder / "a.parquet")
    (row,) = read(spark, folder, ITEMS, format="parquet", columns={**THINGS, "price": "price"})
    assert (row.title, row.tags, row.reason) == ("7", ["a", "b"], "price: 'free' is no number")
    assert json.loads(row.row) == {"id": "i", "title": 7, "tags": ["a", None, " b "], "price": "free"}


@pytest.mark.parametrize("name", ["user", "USER"])
def test_parquet_columns_are_called_as_the_file_calls_them(
    spark: SparkSession, folder: Path, name: str
) -> None:
    table = pa.table({"user": ["u"], "USER": ["v"], "item": ["i"], "time": [0], "Time": [1]})
    pq.write_table(table, folder / "a.parquet")
    columns = {"user_id": name, "item_id": "item", "event_time": "time"}
    (row,) = read(spark, folder, INTERACTIONS, format="parquet", columns=columns)
    assert (row.user_id, row.item_id, row.event_time.timestamp()) == (table[name][0].as_py(), "i", 0)


def test_a_parquet_column_that_spark_cannot_name_is_refused(spark: SparkSession, folder: Path) -> None:
    pq.write_table(pa.table({"user": ["u"], "it`em": ["i"], "time": [0]}), folder / "a.parquet")
    columns = {"user_id": "user", "item_id": "it`em", "event_time": "time"}
    with pytest.raises(Refused, match=r"a\.parquet: Spark cannot read a column .* backtick in it: 'it`em'"):
        read(spark, folder, INTERACTIONS, format="parquet", columns=columns)


def test_parquet_that_spark_cannot_unpack_is_refused_with_the_cause(
    spark: SparkSession, folder: Path
) -> None:
    table = pa.table({"user": ["u"], "item": ["i"], "time": [0]})
    pq.write_table(table, folder / "a.parquet", compression="brotli")
    with pytest.raises(Refused, match=r"a\.parquet cannot be read to its end: .*[Bb]rotli"):
        read(spark, folder, INTERACTIONS, format="parquet")


def test_a_parquet_file_that_breaks_off_inside_is_refused_by_name(spark: SparkSession, folder: Path) -> None:
    path = folder / "a.parquet"
    rows = [f"{n:x}" * 40 for n in range(2000)]
    pq.write_table(
        pa.table({"user": rows, "item": rows, "time": list(range(2000))}), path, use_dictionary=False
    )
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + b"\0" * 2000 + whole[2200:])
    with pytest.raises(Refused, match=rf"{re.escape(str(path))} cannot be read to its end: .*damaged"):
        read(spark, folder, INTERACTIONS, format="parquet")
