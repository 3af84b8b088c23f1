"""Copies of snapshots: Feast sees what the night may see, copied once."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.featurestore.copies import refresh
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from tests.training_tables import days_up_to, write_snapshot, write_snapshots

NIGHT = date(2026, 1, 10)
LATER = NIGHT + timedelta(days=1)


def copied(folder: Path, view: str = "user_features") -> list[str]:
    return sorted(found.parent.name for found in (folder / view).glob("*/*.parquet"))


def names(days: list[date]) -> list[str]:
    return [str(day) for day in days]


def test_the_last_days_up_to_the_night_are_there_and_nothing_else(lake: Store, tmp_path: Path) -> None:
    write_snapshots(lake, days_up_to(LATER, 6), ["u1"], ["i1"])
    folder = tmp_path / "copies"
    assert list(refresh(lake, LATER, 3, folder)["user_features"]) == days_up_to(LATER, 3)
    assert copied(folder) == names(days_up_to(LATER, 3))
    held = refresh(lake, NIGHT, 3, folder)
    assert {view: list(days) for view, days in held.items()} == dict.fromkeys(held, days_up_to(NIGHT, 3))
    assert copied(folder) == names(days_up_to(NIGHT, 3))


def test_a_snapshot_that_a_later_night_wrote_did_not_exist_yet(lake: Store, tmp_path: Path) -> None:
    early, middle, night = days_up_to(NIGHT, 3)
    write_snapshots(lake, [middle], ["u1"], ["i1"], written_by=LATER)
    write_snapshots(lake, [early, night], ["u1"], ["i1"], written_by=NIGHT)
    assert list(refresh(lake, NIGHT, 3, tmp_path)["item_features"]) == [early, night]


def test_only_what_changed_is_copied_again(lake: Store, tmp_path: Path) -> None:
    (early, night), folder = days_up_to(NIGHT, 2), tmp_path / "copies"
    write_snapshots(lake, [early, night], ["u1"], ["i1"])
    refresh(lake, NIGHT, 2, folder)
    before = {path: path.stat().st_ino for path in folder.rglob("*.parquet")}
    write_snapshot(lake, "user_features", early, [{"user_id": "u1", "events_1d": 9.0}])
    refresh(lake, NIGHT, 2, folder)
    after = {path: path.stat().st_ino for path in folder.rglob("*.parquet")}
    assert len(before.items() & after.items()) == len(before) - 1
    (changed,) = (folder / "user_features" / str(early)).iterdir()
    assert pq.read_table(changed)["events_1d"].to_pylist() == [9.0]


def test_half_a_copy_is_never_read(lake: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_snapshots(lake, [NIGHT], ["u1"], ["i1"])

    def broken(key: str, local: Path) -> None:
        local.write_bytes(b"PAR1")
        raise OSError("the connection broke")

    monkeypatch.setattr(lake, "download", broken)
    with pytest.raises(OSError, match="the connection broke"):
        refresh(lake, NIGHT, 1, tmp_path)
    assert copied(tmp_path) == []
    monkeypatch.undo()
    refresh(lake, NIGHT, 1, tmp_path)
    assert [path.suffix for path in (tmp_path / "user_features" / str(NIGHT)).iterdir()] == [".parquet"]


def test_a_snapshot_that_was_written_anew_and_not_committed_is_refused(lake: Store, tmp_path: Path) -> None:
    write_snapshots(lake, [NIGHT], ["u1"], ["i1"])
    partition = layout.night("features/user_features", NIGHT)
    before = lake.read(f"{partition}/_commit.json")
    write_snapshot(lake, "user_features", NIGHT, [{"user_id": "u1", "events_1d": 9.0}])
    lake.write(f"{partition}/_commit.json", before)
    with pytest.raises(
        Refused, match=r"part\.parquet is not the file that was committed .run features again for night 2026"
    ):
        refresh(lake, NIGHT, 1, tmp_path)
    assert copied(tmp_path) == []


def test_an_older_snapshot_that_lacks_a_new_column_is_passed_over(lake: Store, tmp_path: Path) -> None:
    early, night = days_up_to(NIGHT, 2)
    write_snapshots(lake, [early, night], ["u1"], ["i1"])
    shorten(lake, early)
    assert list(refresh(lake, NIGHT, 2, tmp_path)["user_features"]) == [night]
    assert copied(tmp_path) == names([night])
    shorten(lake, night)
    with pytest.raises(Refused, match=r"lacks columns of its contract.*run features"):
        refresh(lake, NIGHT, 2, tmp_path)


def shorten(lake: Store, day: date) -> None:
    """Take a column away from a snapshot, as one from before a change of the contract lacks it."""
    partition = layout.night("features/user_features", day)
    table: pa.Table = tables.read_table(lake, partition, "features").drop_columns("price_level")
    tables.write_table(lake, partition, table, facts={"written_by": str(day)}, name="part.parquet")
