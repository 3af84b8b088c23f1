"""What was altered by hand or has gone is not given to a consumer: the reason says what, where, and how to go back."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.lake import floors, layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import changes, data_file, verification
from pipeline_tasks.reader import Version, open_current
from tests.lists import NIGHT, top_n_files, top_n_rows
from tests.test_reader import LISTS, MANY, go_live

FIRST, LAST = "u0000", "u0199"


def whole(version: Version) -> None:
    version.to_arrow("top_n")


def one_column(version: Version) -> None:
    version.to_pandas("top_n", ["rank"])


def in_batches(version: Version) -> None:
    for _ in version.batches("top_n"):
        pass


def one_list(version: Version) -> None:
    version.top_n(LAST)


READS = [whole, one_column, in_batches, one_list]


def in_a_page(data: bytes, path: Path) -> bytes:
    """Change a byte in the middle of the last row group's largest column."""
    group = pq.read_metadata(path).row_group(6)
    column = max(
        (group.column(n) for n in range(group.num_columns)), key=lambda each: each.total_compressed_size
    )
    place = column.data_page_offset + column.total_compressed_size // 2
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def in_the_footer(data: bytes, _: Path) -> bytes:
    return data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]


def cut_short(data: bytes, _: Path) -> bytes:
    return data[: len(data) // 2]


def emptied(data: bytes, _: Path) -> bytes:
    return b""


def grown(data: bytes, _: Path) -> bytes:
    return data + b"!"


def written_anew(data: bytes, path: Path) -> bytes:
    """Write the same lists with another item, as well as anybody can."""
    lists = {**MANY, LAST: ["i1", "i2", "i4"]}
    (other,) = top_n_files(path.parent / "other", top_n_rows(lists, 1), 1, 90)
    return other.read_bytes()


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda version: version.top_n(1), "user_id is 1, and ids are strings .*top_n.'1'"),
        (lambda version: version.to_arrow("top_n", "user_id"), r"columns is 'user_id' .*\['user_id'\]"),
        (lambda version: next(version.batches("top_n", rows=0)), "rows is 0 "),
    ],
)
def test_what_was_not_meant_so_is_refused(
    lake: Store, tmp_path: Path, read: Callable[[Version], None], said: str
) -> None:
    go_live(lake, tmp_path, LISTS)
    with pytest.raises(Refused, match=said):
        read(open_current(lake.uri))


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("harm", [in_a_page, in_the_footer, cut_short, emptied, grown, written_anew])
def test_a_file_that_was_altered_is_refused(
    either_lake: Store,
    tmp_path: Path,
    harm: Callable[[bytes, Path], bytes],
    read: Callable[[Version], None],
) -> None:
    name = go_live(either_lake, tmp_path, MANY, files=1, group_rows=90)
    path = tmp_path / "top_n/part-00000.parquet"
    version = open_current(either_lake.uri)
    read(version)  # as long as it is what it was
    key = f"{layout.version(name)}/top_n/{path.name}"
    either_lake.write(key, harm(path.read_bytes(), path))
    if read is one_list and harm not in (in_a_page, emptied, cut_short):
        version = open_current(
            either_lake.uri
        )  # what has its footer already sees that it has the right pages only
    with pytest.raises(Refused, match=rf"{key} has been altered since .*rollback"):
        read(version)
    assert any("has been altered" in fault for fault in verification.look(either_lake, name).faults)


def test_pages_that_no_list_is_read_from_do_not_matter_to_it(lake: Store, tmp_path: Path) -> None:
    name = go_live(lake, tmp_path, MANY, files=1, group_rows=90)
    path = tmp_path / "top_n/part-00000.parquet"
    lake.write(f"{layout.version(name)}/top_n/{path.name}", in_a_page(path.read_bytes(), path))
    assert len(open_current(lake.uri).top_n(FIRST)) == 3


def test_bytes_that_no_page_holds_are_known_by_the_files_own_checksum_before_its_last_rows(
    lake: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_file, "SPAN_BYTES", 1)
    name = go_live(lake, tmp_path, MANY, files=1, group_rows=90)
    path = tmp_path / "top_n/part-00000.parquet"
    lake.write(f"{layout.version(name)}/top_n/{path.name}", b"par1" + path.read_bytes()[4:])
    came: list[int] = []
    batches = open_current(lake.uri).batches("top_n")
    with pytest.raises(Refused, match="has been altered"):
        came.extend(batch.num_rows for batch in batches)
    assert sum(came) == 540


def test_files_that_have_gone_are_named(either_lake: Store, tmp_path: Path) -> None:
    name = go_live(either_lake, tmp_path, LISTS)
    version = open_current(either_lake.uri)
    either_lake.delete([key for key in either_lake.keys(layout.version(name)) if key.endswith(".parquet")])
    with pytest.raises(NightjarError, match=r"popular\.parquet has gone.*rollback"):
        version.to_arrow("popular")
    with pytest.raises(NightjarError, match=r"top_n/part-0000\d\.parquet has gone"):
        version.top_n("ann")


def test_an_altered_manifest_is_not_believed(either_lake: Store, tmp_path: Path) -> None:
    name = go_live(either_lake, tmp_path, LISTS)
    either_lake.write(f"{layout.version(name)}/manifest.json", b"{}")
    with pytest.raises(
        Refused, match=r"entry 1 of the log makes .* live, but .*manifest\.json has been altered"
    ):
        open_current(either_lake.uri)


def test_where_the_live_version_has_gone_the_way_back_is_said_and_works(
    either_lake: Store, tmp_path: Path
) -> None:
    names = [
        go_live(either_lake, tmp_path / str(days), {"ann": ["i1"]}, NIGHT + timedelta(days=days))
        for days in range(4)
    ]
    for name in (names[2], names[3]):  # retention may have taken the one before it
        either_lake.delete(either_lake.keys(f"{layout.version(name)}/"))
    with pytest.raises(
        Refused,
        match=rf"entry 4 of the log makes {names[3]} live, but there is no .*rollback --to {names[1]}",
    ):
        open_current(either_lake.uri)
    changes.roll_back(either_lake, names[1], "ann", f"{names[3]} is gone")
    assert open_current(either_lake.uri).name == names[1]


def test_what_somebody_went_back_from_is_no_way_out(lake: Store, tmp_path: Path) -> None:
    names = [go_live(lake, tmp_path / str(days), LISTS, NIGHT + timedelta(days=days)) for days in range(2)]
    changes.roll_back(lake, None, "ann", "bad lists")
    lake.delete(lake.keys(f"{layout.version(names[0])}/"))
    with pytest.raises(Refused, match="no earlier version is left to go back to: run check and publish for"):
        open_current(lake.uri)
    floors.raise_to(lake, NIGHT + timedelta(days=1))
    with pytest.raises(
        Refused, match="left to go back to: night 2026-01-10 can no longer be run again: run a newer"
    ):
        open_current(lake.uri)


def test_a_version_from_before_manifests_told_of_footers_is_read(either_lake: Store, tmp_path: Path) -> None:
    go_live(either_lake, tmp_path / "files", MANY)
    expected = open_current(either_lake.uri)
    version = open_current(either_lake.uri)
    for table in version.manifest["tables"].values():
        for file in table["files"]:
            del file["footer"]
    assert version.top_n(LAST) == expected.top_n(LAST) != []
    assert version.to_arrow("top_n") == expected.to_arrow("top_n")
    for key in either_lake.keys(f"{layout.version(version.name)}/top_n/"):
        either_lake.write(key, either_lake.read(key) + b"PAR1")
    for read in READS:
        again = open_current(either_lake.uri)
        for file in again.manifest["tables"]["top_n"]["files"]:
            del file["footer"]
        with pytest.raises(Refused, match="has been altered"):
            read(again)
