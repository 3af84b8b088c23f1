"""A version is named by its content, goes up manifest last, and is verified file by file."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import floors, layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import verdicts, versions
from pipeline_tasks.publishing.versions import Manifest
from tests.failing_store import FailingStore, Killed, content
from tests.lists import NIGHT, make_version, top_n_files, top_n_rows

LISTS = {"ann": ["i1", "i2"], "bob": ["i2", "i1"]}


def test_equal_content_has_an_equal_name_and_is_not_rewritten(either_lake: Store, tmp_path: Path) -> None:
    first = make_version(either_lake, tmp_path / "a", LISTS)
    before = content(either_lake)
    second = make_version(FailingStore(either_lake, at=1), tmp_path / "b", LISTS)
    assert first.version == second.version
    assert content(either_lake) == before
    assert re.fullmatch(r"2026-01-10-[0-9a-f]{12}", first.version)


def test_other_content_has_another_name(lake: Store, tmp_path: Path) -> None:
    first = make_version(lake, tmp_path / "a", LISTS)
    second = make_version(lake, tmp_path / "b", {**LISTS, "bob": ["i1", "i2"]})
    assert first.version != second.version
    assert len(lake.folders("recommendations/versions/")) == 2


def test_the_manifest_says_files_schema_and_rows_and_no_place(lake: Store, tmp_path: Path) -> None:
    manifest = make_version(lake, tmp_path / "a", LISTS)
    table = manifest.content["tables"]["top_n"]
    assert table["rows"] == 4
    assert [file["name"] for file in table["files"]] == ["part-00000.parquet", "part-00001.parquet"]
    assert table["schema"][0] == {"name": "user_id", "type": "string"}
    for file in table["files"]:
        stored = lake.read(f"{layout.version(manifest.version)}/top_n/{file['name']}")
        assert len(stored) == file["bytes"]
    assert str(tmp_path) not in manifest.data.decode()


def test_a_version_that_dies_on_the_way_up_is_absent_and_can_be_made_again(
    lake: Store, tmp_path: Path
) -> None:
    whole = content_of_a_whole_version(tmp_path)
    for at in range(1, 6):
        for when in ("before", "after"):
            with pytest.raises(Killed):
                make_version(FailingStore(lake, at, when, Killed()), tmp_path / "x", LISTS)
            there = lake.exists(f"{layout.version(whole.version)}/{versions.MANIFEST}")
            assert there == (at == 5 and when == "after")
    make_version(lake, tmp_path / "x", LISTS)
    assert versions.verify(lake, whole.version, whole.sha256) == whole.content


def content_of_a_whole_version(tmp_path: Path) -> Manifest:
    from pipeline_tasks.lake.local import LocalStore

    return make_version(LocalStore(tmp_path / "elsewhere"), tmp_path / "y", LISTS)


@pytest.mark.parametrize("table", ["top_n", "similar_items", "popular"])
def test_an_altered_file_is_noticed(either_lake: Store, tmp_path: Path, table: str) -> None:
    manifest = make_version(either_lake, tmp_path, LISTS)
    name = manifest.content["tables"][table]["files"][0]["name"]
    key = f"{layout.version(manifest.version)}/{table}/{name}"
    data = bytearray(either_lake.read(key))
    data[len(data) // 2] ^= 1
    either_lake.write(key, bytes(data))
    with pytest.raises(Refused, match=f"{table}/{name} has been altered"):
        versions.verify(either_lake, manifest.version, manifest.sha256)


def test_a_missing_file_is_noticed(either_lake: Store, tmp_path: Path) -> None:
    manifest = make_version(either_lake, tmp_path, LISTS)
    key = f"{layout.version(manifest.version)}/top_n/part-00001.parquet"
    either_lake.delete([key])
    with pytest.raises(Refused, match=r"part-00001\.parquet is missing"):
        versions.verify(either_lake, manifest.version, manifest.sha256)


def test_an_altered_or_absent_manifest_is_noticed(either_lake: Store, tmp_path: Path) -> None:
    manifest = make_version(either_lake, tmp_path, LISTS)
    key = f"{layout.version(manifest.version)}/{versions.MANIFEST}"
    either_lake.write(key, json.dumps({**manifest.content, "n": 99}).encode())
    with pytest.raises(
        Refused, match=r"manifest\.json has been altered.*run check for .* again, once .* is removed"
    ):
        versions.verify(either_lake, manifest.version, manifest.sha256)
    either_lake.delete([key])
    with pytest.raises(Refused, match="there is no"):
        versions.verify(either_lake, manifest.version, manifest.sha256)


def test_rows_and_order_are_part_of_the_name(tmp_path: Path) -> None:
    rows = top_n_rows(LISTS, 1)
    one = versions.describe(NIGHT, {"top_n": top_n_files(tmp_path / "a", rows, 1)}, {})
    two = versions.describe(NIGHT, {"top_n": top_n_files(tmp_path / "b", rows[::-1], 1)}, {})
    assert one.version != two.version


def test_nobody_is_told_to_run_a_night_again_that_can_no_longer_be(lake: Store, tmp_path: Path) -> None:
    manifest = make_version(lake, tmp_path, LISTS)
    (file, *_) = lake.keys(f"{layout.version(manifest.version)}/top_n/")
    lake.delete([file])
    lake.write(layout.verdict(NIGHT), b"{")
    said = {True: "run check for 2026-01-10 again", False: "night 2026-01-10 can no longer be run again: "}
    for possible in (True, False):
        if not possible:
            floors.raise_to(lake, NIGHT + timedelta(days=1))
        for read in (
            lambda: versions.verify(lake, manifest.version),
            lambda: versions.read_manifest(lake, f"{NIGHT}-{'0' * 12}"),
            lambda: verdicts.read(lake, NIGHT),
        ):
            with pytest.raises(Refused) as refused:
                read()
            assert said[possible] in refused.value.hint
            assert said[not possible] not in refused.value.hint


def test_a_name_that_is_no_versions_gets_a_list_of_those_that_are(lake: Store) -> None:
    with pytest.raises(Refused, match="`python -m pipeline_tasks versions` lists what there is"):
        versions.read_manifest(lake, "latest")
