"""Block lists are read from CSV and Parquet files, one or a folder of them, and a wrong one is refused in a line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_tasks.blocked import declared_blocks, read_blocked
from pipeline_tasks.errors import Refused


def pairs(table: pa.Table) -> list[tuple[str, str]]:
    return [(row["user_id"], row["item_id"]) for row in table.to_pylist()]


def test_files_of_both_kinds_are_read_once_each_and_in_order(
    make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "blocks"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("item_id,why,user_id\n007,x,bob\n7,y,\n007,z,bob\n,,\n")
    own = pa.table({"user_id": ["ann", None], "item_id": [None, "9"]})
    pq.write_table(own, folder / "b.parquet")
    found = read_blocked(make_settings(rules={"blocked": "blocks"}), tmp_path / "scratch")
    assert pairs(found) == [("", "7"), ("", "9"), ("ann", ""), ("bob", "007")]


def test_numeric_ids_beside_empty_cells_are_those_of_the_source(
    make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    """pandas writes such columns as floats."""
    (tmp_path / "data").mkdir()
    own = {"user_id": [123456789012, None, 5], "item_id": [4006381333931, 4006381333931, None]}
    pd.DataFrame(own).to_parquet(tmp_path / "data" / "blocked.parquet")
    found = read_blocked(make_settings(rules={"blocked": "blocked.parquet"}), tmp_path / "scratch")
    assert pairs(found) == [("", "4006381333931"), ("123456789012", "4006381333931"), ("5", "")]


@pytest.mark.parametrize("kind", [pa.int64(), pa.dictionary(pa.int8(), pa.string()), pa.large_string()])
def test_ids_of_other_types_are_read_as_ingest_reads_them(
    make_settings: Callable[..., Any], tmp_path: Path, kind: pa.DataType
) -> None:
    (tmp_path / "data").mkdir()
    column = pa.array([7, None] if kind == pa.int64() else ["7", " "], kind)
    own = pa.table({"user_id": column, "item_id": ["a", "b"]})
    pq.write_table(own, tmp_path / "data" / "blocked.parquet")
    found = read_blocked(make_settings(rules={"blocked": "blocked.parquet"}), tmp_path / "scratch")
    assert pairs(found) == [("", "b"), ("7", "a")]


def test_what_the_settings_name_stands_beside_the_files(
    make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    settings = make_settings(rules={"blocked_items": ["i1"], "blocked_users": ["ann"]})
    found = declared_blocks(settings, read_blocked(settings, tmp_path))
    assert pairs(found) == [("", "i1"), ("ann", "")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no file at .*blocked.csv"),
        ("user,item\na,b\n", "no columns user_id and item_id"),
        ("", "no columns"),
    ],
)
def test_a_file_that_is_no_block_list_is_refused(
    make_settings: Callable[..., Any], tmp_path: Path, content: str | None, said: str
) -> None:
    (tmp_path / "data").mkdir()
    if content is not None:
        (tmp_path / "data" / "blocked.csv").write_text(content)
    with pytest.raises(Refused, match=f"rules.blocked: .*{said}"):
        read_blocked(make_settings(rules={"blocked": "blocked.csv"}), tmp_path / "scratch")
