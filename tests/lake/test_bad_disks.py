"""A full or read-only disk ends in one clear line, and what was there stays as it was."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.lake import local
from pipeline_tasks.lake.local import INCOMING, LocalStore
from pipeline_tasks.lake.store import StoreError


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a quarter of a mebibyte; root ignores file modes, so a real one is mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def changes(store: LocalStore, local_file: Path) -> dict[str, Callable[[], None]]:
    """Every way to put something, each to a key of its own."""
    return {
        "write": lambda: store.write("t/old", b"x" * 400_000),
        "create": lambda: store.create("t/new", b"x" * 400_000),
        "upload": lambda: store.upload(local_file, "t/old"),
    }


def test_a_full_disk_keeps_what_was_there(small_disk: Path, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"x" * 400_000)
    store = LocalStore(small_disk / "lake")
    store.write("t/old", b"old")
    for verb, change in changes(store, large).items():
        with pytest.raises(StoreError, match="No space left on device") as raised:
            change()
        assert "disk may be full" in raised.value.hint, verb
    assert store.keys("") == ["t/old"]
    assert store.read("t/old") == b"old"
    assert list((store.root / INCOMING).iterdir()) == []
    store.write("t/small", b"there is room again")


def test_a_read_only_lake_is_said_and_still_read(small_disk: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"x")
    store = LocalStore(small_disk / "lake")
    store.write("t/old", b"old")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for change in (*changes(store, small).values(), lambda: store.delete(["t/old"])):
        with pytest.raises(StoreError, match="Read-only file system"):
            change()
    assert store.read("t/old") == b"old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
def test_a_disk_that_fails_at_the_last_moment_installs_nothing(
    number: int, lake: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.write("t/old", b"old")
    small = tmp_path / "small"
    small.write_bytes(b"x")

    def fail(path: Path) -> None:
        raise OSError(number, "the disk says no")

    monkeypatch.setattr(local, "_flush", fail)
    for change in changes(lake, small).values():
        with pytest.raises(StoreError, match="the disk says no"):
            change()
    assert lake.keys("") == ["t/old"]
    assert lake.read("t/old") == b"old"


def test_a_lake_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot write"):
        LocalStore(tmp_path / "lake").write("a", b"")


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES])
def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    store = LocalStore(tmp_path / "lake")
    for key in ("t/old/a", "t/bad/b"):
        store.write(key, b"x")
    listed = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "bad":
            raise OSError(error, os.strerror(error), str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    for listing in (store.keys, store.sizes, store.folders):
        with pytest.raises(StoreError, match=f"cannot list .*/t/: {os.strerror(error)}"):
            listing("t/")
    assert store.keys("t/old/") == ["t/old/a"]
    assert store.keys("none/") == store.keys("t/old/a/") == store.folders("none/") == []


def test_what_a_killed_writer_left_a_day_ago_goes_with_the_next_write(tmp_path: Path) -> None:
    LocalStore(tmp_path).write("a", b"1")
    old, fresh = (tmp_path / INCOMING / name for name in ("old", "fresh"))
    for path, hours in ((old, 25), (fresh, 23)):
        path.write_bytes(b"half an obj")
        os.utime(path, times=(path.stat().st_mtime - hours * 3600,) * 2)
    LocalStore(tmp_path).write("a", b"2")
    assert [path.name for path in (tmp_path / INCOMING).iterdir()] == ["fresh"]
