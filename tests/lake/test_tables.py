"""A partition is whole or absent, whatever happens while it is written; deltas make an unbroken chain."""

import threading
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import tables
from pipeline_tasks.lake.store import Missing, Store, StoreError
from tests.failing_store import FailingStore, Killed, content

PART = "clean/items/run_date=2026-01-02"
OLD = pa.table({"id": ["a", "b"]})
NEW = pa.table({"id": ["c"]})


def day(number: int) -> date:
    return date(2026, 1, number)


def test_a_written_table_is_read_with_its_rows_and_facts(either_lake: Store) -> None:
    commit = tables.write_table(either_lake, PART, OLD, after=day(1), facts={"n": 3})
    assert tables.read_table(either_lake, PART, "preprocess").equals(OLD)
    assert tables.read_commit(either_lake, PART) == commit
    assert (commit.rows, commit.after, commit.facts) == (2, "2026-01-01", {"n": 3})
    assert tables.read_table(either_lake, PART, "preprocess", columns=["id"]).column_names == ["id"]


def test_the_same_rows_again_change_nothing(either_lake: Store) -> None:
    first = tables.write_table(either_lake, PART, OLD)
    before = content(either_lake)
    second = tables.write_table(either_lake, PART, OLD)
    assert content(either_lake) == before
    assert first.digest == second.digest


def test_a_rewrite_leaves_nothing_of_what_it_replaces(either_lake: Store) -> None:
    tables.write_table(either_lake, PART, OLD)
    commit = tables.write_table(either_lake, PART, NEW)
    assert set(either_lake.keys(PART)) == {f"{PART}/{name}" for name in (*commit.files, tables.COMMIT)}


def test_several_files_keep_their_order(either_lake: Store, tmp_path: Path) -> None:
    paths = [tmp_path / "z.parquet", tmp_path / "a.parquet"]
    for path, table in zip(paths, (OLD, NEW), strict=True):
        pq.write_table(table, path)
    tables.write_files(either_lake, PART, paths, rows=3)
    assert tables.read_table(either_lake, PART, "any")["id"].to_pylist() == ["a", "b", "c"]
    fetched = tables.local_files(either_lake, PART, "any", tmp_path / "copy")
    assert [pq.read_table(path)["id"].to_pylist() for path in fetched] == [["a", "b"], ["c"]]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [Killed(), StoreError("full")])
def test_a_crash_at_any_write_leaves_the_old_table_or_the_new_one(
    lake: Store, when: str, error: BaseException
) -> None:
    tables.write_table(lake, PART, OLD)
    for at in range(1, 4):
        with pytest.raises(type(error)):
            tables.write_table(FailingStore(lake, at, when, error), PART, NEW)  # type: ignore[arg-type]
        found = tables.read_table(lake, PART, "preprocess")
        assert found.equals(OLD) or found.equals(NEW)
    tables.write_table(lake, PART, NEW)
    assert tables.read_table(lake, PART, "preprocess").equals(NEW)
    assert len(lake.keys(PART)) == 2


def test_a_first_write_that_dies_leaves_no_table(lake: Store) -> None:
    for at, when in ((1, "before"), (1, "after"), (2, "before")):
        with pytest.raises(Killed):
            tables.write_table(FailingStore(lake, at, when, Killed()), PART, NEW)  # type: ignore[arg-type]
        assert tables.read_commit(lake, PART) is None
        assert tables.committed(lake, "clean/items") == []


def test_an_absent_table_names_the_stage_that_makes_it(either_lake: Store, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"no table .*run_date=2026-01-02.*run preprocess"):
        tables.read_table(either_lake, PART, "preprocess")
    with pytest.raises(Refused, match="no table"):
        tables.local_files(either_lake, PART, "preprocess", tmp_path)


def test_newest_before_is_strictly_before_and_whole(either_lake: Store) -> None:
    for number in (1, 3, 5):
        tables.write_table(either_lake, f"clean/items/run_date={day(number)}", OLD)
    either_lake.write(f"clean/items/run_date={day(4)}/part-00000.parquet", b"half written")
    assert tables.committed(either_lake, "clean/items") == [day(1), day(3), day(5)]
    assert tables.newest_before(either_lake, "clean/items", day(5)) == day(3)
    assert tables.newest_before(either_lake, "clean/items", day(1)) is None


def write_delta(lake: Store, number: int, after: int | None) -> None:
    tables.write_table(
        lake, f"clean/interactions/run_date={day(number)}", OLD, after=day(after) if after else None
    )


def test_a_chain_passes_over_a_night_whose_rows_a_later_one_caught_up(lake: Store) -> None:
    write_delta(lake, 1, None)
    write_delta(lake, 4, 1)
    write_delta(lake, 3, 1)
    assert list(tables.chain(lake, "clean/interactions", day(4))) == [day(1), day(4)]
    assert list(tables.chain(lake, "clean/interactions", day(3))) == [day(1), day(3)]
    assert list(tables.chain(lake, "clean/interactions", day(9))) == [day(1), day(4)]


def test_a_lake_of_many_nights_costs_one_listing_and_each_commit_once(
    s3_lake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nights = [day(number) for number in range(1, 20)]
    for number in range(1, 20):
        write_delta(s3_lake, number, number - 1 or None)
    asked: list[str] = []
    s3_lake._client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    assert tables.committed(s3_lake, "clean/interactions") == nights
    assert tables.newest_before(s3_lake, "clean/interactions", day(9)) == day(8)
    assert asked == 2 * ["ListObjectsV2"]
    asked.clear()
    assert list(tables.chain(s3_lake, "clean/interactions", day(19))) == nights
    assert asked == ["ListObjectsV2", *19 * ["GetObject"]]
    asked.clear()
    assert len(tables.local_files(s3_lake, "clean/interactions/run_date=2026-01-01", "any", tmp_path)) == 1
    assert asked == ["GetObject", "HeadObject", "GetObject"]  # the commit, and a file as boto3 fetches it


def test_commits_and_files_are_read_several_at_once_and_come_in_order(lake: Any, tmp_path: Path) -> None:
    class Waiting(FailingStore):
        """Every reply waits for that to another request."""

        together = threading.Barrier(2, timeout=5)

        def read(self, key: str) -> bytes:
            self.together.wait()
            return super().read(key)

        def download(self, key: str, local: Path) -> None:
            self.together.wait()
            super().download(key, local)

    partitions = [f"clean/items/run_date={day(number)}" for number in range(1, 5)]
    made = [tables.write_table(lake, partition, OLD, facts={"n": partition}) for partition in partitions]
    store = Waiting(lake, at=99)
    commits = dict(zip(partitions, tables.read_commits(store, partitions, "any"), strict=True))
    assert list(commits.values()) == made
    found = tables.files_of(store, commits, tmp_path / "copy")
    assert [path.parent.relative_to(tmp_path / "copy").as_posix() for path in found] == partitions


def test_a_chain_of_nothing_is_empty(either_lake: Store) -> None:
    assert list(tables.chain(either_lake, "clean/interactions", day(4))) == []


def test_a_file_that_its_commit_names_and_that_is_gone_is_missed(either_lake: Store) -> None:
    commit = tables.write_table(either_lake, PART, OLD)
    either_lake.delete([f"{PART}/{name}" for name in commit.files])
    with pytest.raises(Refused, match=f"{PART}/part-00000.* is missing .*run preprocess for its night again"):
        tables.read_table(either_lake, PART, "preprocess")


@pytest.mark.parametrize("left", [0, 50, 200])
def test_a_file_that_was_truncated_is_named_with_the_stage_that_makes_it(
    either_lake: Store, left: int
) -> None:
    (name,) = tables.write_table(either_lake, PART, OLD).files
    either_lake.write(f"{PART}/{name}", either_lake.read(f"{PART}/{name}")[:left])
    with pytest.raises(
        Refused,
        match=f"{PART}/{name} has been altered since preprocess wrote it .run preprocess for its night again",
    ):
        tables.read_table(either_lake, PART, "preprocess")


def test_what_fails_for_another_reason_than_its_files_fails_as_it_did(either_lake: Store) -> None:
    tables.write_table(either_lake, PART, OLD)
    for error in (KeyError("x"), StoreError("full"), Missing("another")):
        with (
            pytest.raises(type(error)) as raised,
            tables.held_against_commits(either_lake, {PART: "preprocess"}),
        ):
            raise error
        assert raised.value is error


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff", b'{"rows": 1, "files": ["a"]}'])
def test_a_damaged_commit_is_named(lake: Store, data: bytes) -> None:
    tables.write_table(lake, PART, OLD)
    lake.write(f"{PART}/_commit.json", data)
    with pytest.raises(
        Refused, match=rf"{lake.uri}/{PART}/_commit.json is damaged: .*run the stage that makes"
    ):
        tables.read_table(lake, PART, "preprocess")
