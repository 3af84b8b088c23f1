"""The measured version is written as `check` writes one, and every figure is of lists that are what was written."""

import argparse
from pathlib import Path

import pytest

from benchmarks import reader, reader_version
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.publishing import verification
from pipeline_tasks.reader import open_current


@pytest.fixture
def options() -> argparse.Namespace:
    return argparse.Namespace(users=300, items=50, n=4, files=2, seed=1, lookups=5, cold=2)


def test_the_version_holds_every_users_list(tmp_path: Path, options: argparse.Namespace) -> None:
    store = LocalStore(tmp_path / "lake")
    facts = reader_version.publish(tmp_path, [store], reader.NIGHT, options)
    version = open_current(store.uri)
    users = version.to_pandas("top_n").groupby("user_id")["rank"].apply(list)
    assert facts["rows"] == 1200
    assert users.tolist() == [[1, 2, 3, 4]] * 300
    assert len(version.top_n(users.index[17])) == 4
    assert verification.look(store, version.name).faults == []


def test_each_figure_has_a_median_and_a_95th_percentile(tmp_path: Path, options: argparse.Namespace) -> None:
    store = LocalStore(tmp_path / "lake")
    reader_version.publish(tmp_path, [store], reader.NIGHT, options)
    lines = list(reader.figures("local", store.uri, None, options))
    assert {line["what"]: line["of"] for line in lines} == {
        "open_current": 2,
        "top_n, cold": 2,
        "top_n, warm": 5,
        "one byte of the file": 5,
        "DuckDB, all files": 5,
        "DuckDB, the user's file": 5,
        "to_arrow": 1,
        "batches": 1,
        "DuckDB, all into Arrow": 1,
    }
    assert all(0 < line["median_ms"] <= line["p95_ms"] for line in lines)
    assert "top_n, warm" in reader.table(lines)


def test_duckdb_answers_as_the_reader_does(tmp_path: Path, options: argparse.Namespace) -> None:
    store = LocalStore(tmp_path / "lake")
    reader_version.publish(tmp_path, [store], reader.NIGHT, options)
    version = open_current(store.uri)
    duck = reader.open_duck(version, None)
    user = version.to_arrow("top_n", ["user_id"])["user_id"][0].as_py()
    mine = [tuple(row.values())[:4] for row in version.top_n(user)]
    for source in (duck.every, duck.each[reader.bucket_of(user, 2)]):
        assert [row[:4] for row in duck.list_of(user, source)] == mine
