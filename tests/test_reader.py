"""A consumer sees one whole version, live now, by the source's own ids; or a clear reason."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_tasks import reader
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.lake.s3 import S3Store
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import data_file, log
from pipeline_tasks.publishing.log import Change
from pipeline_tasks.reader import current_name, open_current, open_version
from tests.lists import NIGHT, make_version

ODD = "u/'\"😀..日本"
LISTS = {"ann": ["i1", "i2"], "bob": ["i2", "i1"], ODD: ["i3"]}


def go_live(store: Store, folder: Path, lists: dict[str, Any], night: date = NIGHT, **shape: Any) -> str:
    """Publish a version of `lists`; `shape` may say files and group_rows."""
    manifest = make_version(store, folder, lists, night=night, **shape)
    log.append(
        store,
        Change(manifest.version, str(night), manifest.sha256, "publish", "a test", "a night"),
        lambda live: None,
    )
    return manifest.version


def test_what_is_live_is_read_whole(either_lake: Store, tmp_path: Path) -> None:
    name = go_live(either_lake, tmp_path, LISTS)
    version = open_current(either_lake.uri)
    assert (version.name, version.run_date, version.entry.sequence) == (name, NIGHT, 1)
    frame = version.to_pandas("top_n")
    assert {user: list(rows["item_id"]) for user, rows in frame.groupby("user_id")} == LISTS
    assert version.to_arrow("popular", columns=["item_id"])["item_id"].to_pylist() == ["i1", "i2"]
    assert version.to_arrow("similar_items").num_rows == 1


def test_a_local_lake_may_be_named_by_its_path(lake: Store, tmp_path: Path) -> None:
    name = go_live(lake, tmp_path, LISTS)
    place = tmp_path / "lake"
    assert open_current(place).name == open_version(place, name).name == current_name(place) == name


def test_one_users_list_comes_in_order(either_lake: Store, tmp_path: Path) -> None:
    go_live(either_lake, tmp_path, LISTS)
    version = open_current(either_lake.uri)
    assert [row["item_id"] for row in version.top_n("bob")] == ["i2", "i1"]
    assert [row["item_id"] for row in version.top_n(ODD)] == ["i3"]
    assert version.top_n("nobody") == []


def test_the_tables_are_named_as_paths_or_uris_of_parquet_files(either_lake: Store, tmp_path: Path) -> None:
    name = go_live(either_lake, tmp_path / "files", LISTS)
    tables = open_current(either_lake.uri).tables
    assert set(tables) == {"top_n", "similar_items", "popular"}
    root = str(tmp_path / "lake") if either_lake.uri.startswith("file:") else either_lake.uri
    assert tables["popular"] == [f"{root}/{layout.version(name)}/popular/popular.parquet"]


def test_a_reader_keeps_its_version_when_another_goes_live(either_lake: Store, tmp_path: Path) -> None:
    go_live(either_lake, tmp_path / "a", LISTS)
    version = open_current(either_lake.uri)
    go_live(either_lake, tmp_path / "b", {"ann": ["i9"]}, NIGHT + timedelta(days=1))
    assert [row["item_id"] for row in version.top_n("ann")] == ["i1", "i2"]
    assert [row["item_id"] for row in open_current(either_lake.uri).top_n("ann")] == ["i9"]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What is read of any store from here on: (key, bytes) of each object and range."""
    found: list[tuple[str, int]] = []
    for store in (LocalStore, S3Store):
        whole, part = store.read, store.read_range

        def read(self: Any, key: str, whole: Any = whole) -> bytes:
            data: bytes = whole(self, key)
            found.append((key, len(data)))
            return data

        def read_range(self: Any, key: str, start: int, end: int, part: Any = part) -> bytes:
            data: bytes = part(self, key, start, end)
            found.append((key, len(data)))
            return data

        monkeypatch.setattr(store, "read", read)
        monkeypatch.setattr(store, "read_range", read_range)
        monkeypatch.delattr(store, "open")
    return found


MANY = {f"u{n:04d}": ["i1", "i2", "i3"] for n in range(200)}


def test_one_users_list_reads_one_row_group_of_one_file_and_its_footer_once(
    either_lake: Store, tmp_path: Path, read: list[tuple[str, int]]
) -> None:
    name = go_live(either_lake, tmp_path, MANY, files=2, group_rows=30)
    version = open_current(either_lake.uri)
    bucket = reader.bucket_of("u0007", 2)
    path = tmp_path / f"top_n/part-{bucket:05d}.parquet"
    described = version.manifest["tables"]["top_n"]["files"][bucket]
    groups = pq.read_metadata(path)
    sizes = {
        sum(groups.row_group(n).column(c).total_compressed_size for c in range(groups.num_columns))
        for n in range(groups.num_row_groups)
    }
    read.clear()
    assert [row["item_id"] for row in version.top_n("u0007")] == ["i1", "i2", "i3"]
    (footer_key, footer), (key, group) = read
    assert footer_key == key == f"{layout.version(name)}/top_n/{path.name}"
    assert footer == described["footer"]["bytes"]
    assert group in sizes
    read.clear()
    beside = next(user for user in sorted(MANY)[100:] if reader.bucket_of(user, 2) == bucket)
    assert len(version.top_n(beside)) == 3
    assert len(read) == 1
    assert read[0][1] in sizes


def test_who_is_in_no_row_group_costs_no_reading(
    lake: Store, tmp_path: Path, read: list[tuple[str, int]]
) -> None:
    go_live(lake, tmp_path, MANY, files=1, group_rows=30)
    version = open_current(lake.uri)
    assert version.top_n("u0007")
    read.clear()
    assert version.top_n("a") == version.top_n("z") == []
    assert read == []


def test_a_list_that_another_writer_cut_in_two_comes_whole(lake: Store, tmp_path: Path) -> None:
    go_live(lake, tmp_path, MANY, files=1, group_rows=31)
    version = open_current(lake.uri)
    assert all([row["rank"] for row in version.top_n(user)] == [1, 2, 3] for user in MANY)


def test_a_table_comes_in_batches_and_a_part_of_a_file_at_a_time(
    either_lake: Store, tmp_path: Path, read: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_file, "SPAN_BYTES", 1)
    go_live(either_lake, tmp_path, MANY, files=2, group_rows=30)
    version = open_current(either_lake.uri)
    read.clear()
    batches = version.batches("top_n", rows=20)
    first = next(batches)
    assert (first.num_rows, len(read)) == (20, 2)  # the footer, and a row group
    found = [first, *batches]
    assert max(batch.num_rows for batch in found) == 20
    assert pa.Table.from_batches(found).equals(version.to_arrow("top_n"))
    assert version.to_arrow("top_n").num_rows == 600
    columns = ["item_id", "user_id"]
    assert pa.Table.from_batches(version.batches("top_n", columns)).equals(version.to_arrow("top_n", columns))


def test_a_table_without_rows_is_read_too(lake: Store, tmp_path: Path) -> None:
    go_live(lake, tmp_path, {"ann": ["i1"]}, files=4)
    version = open_current(lake.uri)
    assert version.to_arrow("top_n").num_rows == 1
    assert [version.top_n(f"u{n}") for n in range(9)] == [[]] * 9


def test_several_threads_share_a_version(either_lake: Store, tmp_path: Path) -> None:
    go_live(either_lake, tmp_path, MANY, files=2, group_rows=30)
    version = open_current(either_lake.uri)
    with ThreadPoolExecutor(8) as pool:
        assert {len(rows) for rows in pool.map(version.top_n, MANY)} == {3}


def test_who_asks_again_what_is_live_reads_no_manifest_while_it_is_the_same(
    either_lake: Store, tmp_path: Path, read: list[tuple[str, int]]
) -> None:
    go_live(either_lake, tmp_path / "a", LISTS)
    version = open_current(either_lake.uri)
    read.clear()
    assert version.newest() is version
    assert current_name(either_lake.uri) == version.name
    assert {key for key, _ in read} == {layout.log_entry(1)}
    following = go_live(either_lake, tmp_path / "b", {"ann": ["i9"]}, NIGHT + timedelta(days=1))
    assert current_name(either_lake.uri) == version.newest().name == following
    assert [row["item_id"] for row in version.newest().top_n("ann")] == ["i9"]


def test_where_nothing_is_published_the_reason_says_so(either_lake: Store) -> None:
    for ask in (open_current, current_name):
        with pytest.raises(Refused, match="nothing is published in"):
            ask(either_lake.uri)


def test_an_unknown_table_names_those_that_there_are(lake: Store, tmp_path: Path) -> None:
    go_live(lake, tmp_path, LISTS)
    with pytest.raises(Refused, match=r"no table 'users'.*top_n"):
        open_current(lake.uri).to_arrow("users")


def test_an_unknown_column_names_those_that_there_are(lake: Store, tmp_path: Path) -> None:
    go_live(lake, tmp_path, LISTS)
    with pytest.raises(
        Refused, match=r"popular of .* has no column 'title'.*list_name, rank, item_id, score"
    ):
        open_current(lake.uri).to_arrow("popular", ["item_id", "title"])
