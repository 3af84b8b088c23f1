"""Bad input, as the person at the command line meets it: one line that says why and what to do, or quarantine."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_tasks.__main__ import main
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.settings import parse_run_date
from tests.sources_on_disk import write_csv

NIGHT = "2018-09-24"
RATINGS = ("userId,movieId,rating,timestamp", "1,1,4.0,1537747200", "2,1,5.0,1537747201")
MOVIES = ("movieId,title,genres", "1,Toy Story (1995),Adventure|Comedy")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small folder in MovieLens' layout; settings come from the environment, as a person gives them."""
    folder = tmp_path / "data"
    write_csv(folder / "ratings.csv", *RATINGS)
    write_csv(folder / "movies.csv", *MOVIES)
    monkeypatch.setenv("NIGHTJAR_DATA", str(folder))
    monkeypatch.setenv("NIGHTJAR_LAKE", (tmp_path / "lake").as_uri())
    monkeypatch.setenv("NIGHTJAR_STATE", str(tmp_path / "state"))
    return folder


def truncate(path: Path) -> None:
    pq.write_table(pa.table({"userId": ["1"], "movieId": ["1"], "timestamp": [0], "rating": [1.0]}), path)
    path.write_bytes(path.read_bytes()[:-10])


def of_useless_type(path: Path) -> None:
    times = [{"at": 0}]
    pq.write_table(pa.table({"userId": ["1"], "movieId": ["1"], "timestamp": times, "rating": [1.0]}), path)


def as_parquet(write: Callable[[Path], None]) -> Callable[[Path, pytest.MonkeyPatch], None]:
    def prepare(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(data / "ratings.parquet")
        monkeypatch.setenv("NIGHTJAR_SOURCES__MOVIELENS__INTERACTIONS__URI", "ratings.parquet")
        monkeypatch.setenv("NIGHTJAR_SOURCES__MOVIELENS__INTERACTIONS__FORMAT", "parquet")

    return prepare


def another_lake(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LocalStore(data.parent / "lake").write(layout.IDENTITY, b'{"source": "another shop"}')


BAD = {
    "a missing file": (lambda data, _: (data / "movies.csv").unlink(), "has no items: there is no file at"),
    "a missing folder": (lambda data, _: shutil.rmtree(data), "no interactions found"),
    "a missing column": (
        lambda data, _: write_csv(data / "movies.csv", "movieId,name,genres", "1,x,y"),
        "column 'title' (items.title) is not there; its columns are movieId, name, genres",
    ),
    "a wrong delimiter": (
        lambda data, _: write_csv(data / "ratings.csv", *(line.replace(",", ";") for line in RATINGS)),
        "set sources.movielens.interactions.delimiter to the semicolon",
    ),
    "a file without a byte": (lambda data, _: (data / "movies.csv").write_bytes(b""), "is empty"),
    "a truncated Parquet file": (as_parquet(truncate), "is no whole Parquet file"),
    "a column of a useless type": (
        as_parquet(of_useless_type),
        "holds struct<at: int64>, of which no timestamp",
    ),
    "another source's lake": (another_lake, "belongs to the source another shop"),
}


def refusal(capsys: pytest.CaptureFixture[str], night: str = NIGHT) -> str:
    """Run ingest as a person does; return the one line that it ends in."""
    assert main(["ingest", "--run-date", night]) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    (line,) = (said.out + said.err).strip().splitlines()
    assert line.endswith(")")  # the hint
    return line


@pytest.mark.parametrize("case", BAD)
def test_it_ends_in_one_line_with_a_hint(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    prepare, reason = BAD[case]
    prepare(data, monkeypatch)
    assert reason in refusal(capsys)


@pytest.mark.parametrize(
    ("night", "reason"),
    [
        ("24.09.2018", "run_date '24.09.2018' is malformed"),
        ("2018-02-30", "run_date '2018-02-30' is no day of the calendar"),
        ("2999-01-01", "run_date 2999-01-01 is not over yet"),
    ],
)
def test_run_dates_that_are_none(
    data: Path, capsys: pytest.CaptureFixture[str], night: str, reason: str
) -> None:
    assert reason in refusal(capsys, night)


def test_an_empty_table(spark: Any, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(data / "movies.csv", MOVIES[0])
    assert "has no rows of items" in refusal(capsys)


def test_values_of_the_wrong_type_and_odd_rows_end_in_quarantine_and_odd_ids_pass(
    spark: Any,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    odd = ["a/b", "../..", "o'brien", 'say ""hi""', "🦉", "用户"]
    write_csv(
        data / "ratings.csv",
        *RATINGS,
        *(f'"{each}",1,4.0,1537747200' for each in odd),
        f"{'x' * 10_000},1,4.0,1537747200",
        "3,999,4.0,1537747200",
        "4,1,four,1537747200",
        "5,1,4.0,yesterday",
    )
    write_csv(data / "movies.csv", *MOVIES, "1,Toy Story again,Comedy")
    monkeypatch.setenv(
        "NIGHTJAR_QUALITY__QUARANTINE_BUDGET", '{"interactions": 0.5, "items": 0.5, "users": 0.5}'
    )
    assert main(["ingest", "--run-date", NIGHT]) == 0
    assert main(["validate", "--run-date", NIGHT]) == 0
    said = capsys.readouterr().out
    assert "2 rows rejected (event_time_not_timestamp 1, value_not_float 1)" in said

    lake, night = LocalStore(tmp_path / "lake"), parse_run_date(NIGHT)
    raw = tables.read_table(lake, layout.raw("interactions", night), "ingest").to_pylist()
    assert {each.replace('""', '"') for each in odd} < {row["user_id"] for row in raw}
    bad = {
        table: tables.read_table(lake, layout.night(f"quarantine/{table}", night), "validate").to_pylist()
        for table in ("interactions", "items")
    }
    assert {row["user_id"][:2]: row["reasons"] for row in bad["interactions"]} == {
        "xx": ["user_id_too_long"],
        "3": ["unknown_item"],
    }
    assert [(row["item_id"], row["reasons"]) for row in bad["items"]] == [("1", ["duplicate_key"])]
