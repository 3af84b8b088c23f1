"""Lists as arrays say of every list what a loop over its rows says, however the file was written."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_tasks.publishing.list_arrays import Codes, ListArrays, joined, read_lists, rows_by_code
from pipeline_tasks.publishing.refill import LISTS
from tests.lists import TOP_N

SCHEMA = pa.schema([TOP_N.field(name) for name in ("user_id", "rank", "item_id", "score")])
Row = tuple[str | None, int | None, str | None, float | None]


def read(path: Path, rows: list[Row], codes: Codes, **how: Any) -> ListArrays:
    columns = zip(*rows, strict=True) if rows else [[], [], [], []]
    pq.write_table(pa.table([list(column) for column in columns], schema=SCHEMA), path, **how)
    return read_lists(path, LISTS["top_n"], codes)


def told(lists: ListArrays) -> list[dict[str, Any]]:
    rows = lists.facts.append_column("owner", lists.owners).to_pylist()
    assert [row["size"] for row in rows] == list(lists.sizes)
    return rows


def random_rows(seed: int) -> list[Row]:
    """Return lists of one to seven places, some with an item, a rank or an owner that comes twice."""
    generator = np.random.default_rng(seed)
    rows: list[Row] = []
    for user in [f"u{n:03d}" for n in range(200)] + ["u007", "u008"]:
        for rank in range(1, int(generator.integers(2, 9))):
            wrong = generator.random() < 0.05
            rows.append((user, rank - wrong, f"i{generator.integers(0, 30)}", float(generator.random())))
    return rows


@pytest.mark.parametrize(
    "how", [{}, {"row_group_size": 7}, {"use_dictionary": False}, {"dictionary_pagesize_limit": 64}]
)
def test_facts_are_those_of_a_loop(tmp_path: Path, how: dict[str, Any]) -> None:
    rows, codes = random_rows(3), Codes(pa.array(["i3", "none"]))
    lists = read(tmp_path / "a.parquet", rows, codes, **how)
    runs: list[list[Row]] = []
    for row in rows:
        if not runs or runs[-1][0][0] != row[0]:
            runs.append([])
        runs[-1].append(row)
    assert told(lists) == [
        {
            "size": len(run),
            "first": min(row[1] for row in run),  # type: ignore[type-var]
            "last": max(row[1] for row in run),  # type: ignore[type-var]
            "ranks": len({row[1] for row in run}),
            "items": len({row[2] for row in run}),
            "lowest": np.float32(min(row[3] for row in run)),  # type: ignore[type-var]
            "highest": np.float32(max(row[3] for row in run)),  # type: ignore[type-var]
            "owner": run[0][0],
        }
        for run in runs
    ]
    assert [codes.ids[code].as_py() for code in lists.items] == [row[2] for row in rows]
    assert codes.ids[0].as_py() == "i3"


def test_nulls_are_lists_and_items_of_their_own(tmp_path: Path) -> None:
    rows: list[Row] = [
        (None, 1, "i1", 1.0),
        (None, 2, None, None),
        ("u", None, None, 0.5),
        ("u", 2, None, 0.5),
    ]
    codes = Codes(pa.array([], pa.string()))
    lists = read(tmp_path / "a.parquet", rows, codes)
    assert lists.owners.to_pylist() == [None, "u"]
    assert [(row["size"], row["items"], row["first"]) for row in told(lists)] == [(2, 2, 1), (2, 1, 0)]
    assert rows_by_code([lists], codes).tolist() == [1]


def test_a_file_without_rows_has_no_lists(tmp_path: Path) -> None:
    codes = Codes(pa.array(["i1"]))
    lists = read(tmp_path / "a.parquet", [], codes)
    assert (len(lists.owners), lists.facts.num_rows, len(lists.lists.sizes)) == (0, 0, 0)
    assert rows_by_code([lists], codes).tolist() == [0]


def test_lists_of_several_files_are_those_of_one(tmp_path: Path) -> None:
    rows, codes = random_rows(5), Codes(pa.array([], pa.string()))
    cut = next(n for n in range(300, len(rows)) if rows[n][0] != rows[n - 1][0])
    parts = [
        read(tmp_path / f"{n}.parquet", part, codes) for n, part in enumerate((rows[:cut], [], rows[cut:]))
    ]
    whole, one = read(tmp_path / "whole.parquet", rows, codes), joined(parts)
    assert (one.owners, one.facts) == (whole.owners, whole.facts)
    assert np.array_equal(one.begins, whole.begins)
    assert np.array_equal(one.items, whole.items)
    assert np.array_equal(rows_by_code(parts, codes), rows_by_code([whole], codes))


def test_codes_are_the_same_for_all_threads() -> None:
    codes = Codes(pa.array(["a", "b"]))
    asked = [[f"i{(n * step) % 97}" for n in range(500)] for step in range(1, 9)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda ids: codes.of(pa.array([*ids, None, "b"])), asked))
    for ids, numbers in zip(asked, found, strict=True):
        assert [codes.ids[number].as_py() for number in numbers[:-2]] == ids
        assert numbers[-2:].tolist() == [-1, 1]
    assert len(codes.ids) == len(codes.ids.unique())
