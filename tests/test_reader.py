"""A consumer sees one whole version, live now, by the source's own ids; or a clear reason."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline_tasks import reader
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import changes, log
from pipeline_tasks.publishing.log import Change
from pipeline_tasks.reader import open_current
from tests.lists import NIGHT, make_version

ODD = "u/'\"😀..日本"
LISTS = {"ann": ["i1", "i2"], "bob": ["i2", "i1"], ODD: ["i3"]}


def go_live(store: Store, folder: Path, lists: dict[str, Any], night: date = NIGHT, files: int = 2) -> str:
    manifest = make_version(store, folder, lists, night=night, files=files)
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


def test_one_users_list_comes_in_order(either_lake: Store, tmp_path: Path) -> None:
    go_live(either_lake, tmp_path, LISTS)
    version = open_current(either_lake.uri)
    assert [row["item_id"] for row in version.top_n("bob")] == ["i2", "i1"]
    assert [row["item_id"] for row in version.top_n(ODD)] == ["i3"]
    assert version.top_n("nobody") == []


def test_the_tables_are_named_as_uris_of_parquet_files(lake: Store, tmp_path: Path) -> None:
    go_live(lake, tmp_path, LISTS)
    tables = open_current(lake.uri).tables
    assert set(tables) == {"top_n", "similar_items", "popular"}
    assert sum(pq.read_table(uri.removeprefix("file://")).num_rows for uri in tables["top_n"]) == 5


def test_a_reader_keeps_its_version_when_another_goes_live(either_lake: Store, tmp_path: Path) -> None:
    go_live(either_lake, tmp_path / "a", LISTS)
    version = open_current(either_lake.uri)
    go_live(either_lake, tmp_path / "b", {"ann": ["i9"]}, NIGHT + timedelta(days=1))
    assert [row["item_id"] for row in version.top_n("ann")] == ["i1", "i2"]
    assert [row["item_id"] for row in open_current(either_lake.uri).top_n("ann")] == ["i9"]


def test_one_users_list_opens_one_file_and_few_bytes_of_it(
    s3_lake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_live(s3_lake, tmp_path, LISTS)
    version = open_current(s3_lake.uri)
    opened: list[str] = []
    open_key = version.store.open
    monkeypatch.setattr(version.store, "open", lambda key: opened.append(key) or open_key(key))
    version.top_n("ann")
    assert len(opened) == 1
    assert opened[0].endswith(f"/top_n/part-{reader.bucket_of('ann', 2):05d}.parquet")


def test_a_user_without_rows_in_that_row_group_costs_no_decoding(lake: Store, tmp_path: Path) -> None:
    """Row groups are skipped by their statistics: a broken one beside the wanted one is never read."""
    lists = {f"u{n:04d}": ["i1", "i2"] for n in range(200)}
    name = go_live(lake, tmp_path, lists, files=1)
    key = f"{layout.version(name)}/top_n/part-00000.parquet"
    local = tmp_path / "grouped.parquet"
    lake.download(key, local)
    pq.write_table(pq.read_table(local), local, row_group_size=100, compression="none")
    group = pq.read_metadata(local).row_group(1)
    data = bytearray(local.read_bytes())
    start, size = group.column(0).data_page_offset, group.total_byte_size
    data[start : start + size // 2] = bytes(size // 2)
    lake.write(key, bytes(data))
    version = open_current(lake.uri)
    version.manifest["tables"]["top_n"]["files"][0]["bytes"] = len(data)
    assert [row["item_id"] for row in version.top_n("u0003")] == ["i1", "i2"]


def test_where_nothing_is_published_the_reason_says_so(either_lake: Store) -> None:
    with pytest.raises(Refused, match="nothing is published in"):
        open_current(either_lake.uri)


def test_an_unknown_table_names_those_that_there_are(lake: Store, tmp_path: Path) -> None:
    go_live(lake, tmp_path, LISTS)
    with pytest.raises(Refused, match=r"no table 'users'.*top_n"):
        open_current(lake.uri).to_arrow("users")


def test_a_version_whose_files_have_gone_says_so(lake: Store, tmp_path: Path) -> None:
    name = go_live(lake, tmp_path, LISTS)
    lake.delete([f"{layout.version(name)}/popular/popular.parquet"])
    with pytest.raises(Refused, match=r"popular\.parquet has gone.*rollback --why"):
        open_current(lake.uri).to_arrow("popular")


def test_a_live_version_that_has_gone_is_said_with_how_to_go_back(either_lake: Store, tmp_path: Path) -> None:
    old = go_live(either_lake, tmp_path / "a", LISTS)
    gone = go_live(either_lake, tmp_path / "b", LISTS, NIGHT + timedelta(days=1))
    either_lake.delete(either_lake.keys(layout.version(gone)))
    said = rf"version {gone} is live by entry 2 of the log, but there is no .*rollback --why"
    with pytest.raises(Refused, match=said):
        open_current(either_lake.uri)
    changes.roll_back(either_lake, None, "ann", "its files have gone")
    assert open_current(either_lake.uri).name == old


@pytest.mark.parametrize("table", ["top_n", "similar_items", "popular"])
@pytest.mark.parametrize("edit", ["one bit", "longer", "shorter", "no Parquet"])
def test_an_altered_data_file_is_not_believed(
    either_lake: Store, tmp_path: Path, table: str, edit: str
) -> None:
    name = go_live(either_lake, tmp_path, LISTS, files=1)
    key = either_lake.keys(f"{layout.version(name)}/{table}/")[0]
    data = bytearray(either_lake.read(key))
    data[len(data) // 2] ^= edit == "one bit"
    edited = {"longer": data + b"!", "shorter": data[:-1], "no Parquet": bytes(len(data))}.get(edit, data)
    either_lake.write(key, bytes(edited))
    version = open_current(either_lake.uri)
    with pytest.raises(Refused, match=r"has been altered since it was published .*rollback --why"):
        version.to_arrow(table)
    if table == "top_n" and edit != "one bit":
        with pytest.raises(Refused, match="has been altered"):
            version.top_n("ann")


def test_an_altered_manifest_is_not_believed(lake: Store, tmp_path: Path) -> None:
    name = go_live(lake, tmp_path, LISTS)
    lake.write(f"{layout.version(name)}/manifest.json", b"{}")
    with pytest.raises(Refused, match="has been altered"):
        open_current(lake.uri)
