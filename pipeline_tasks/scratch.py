"""Where a stage puts what it needs for a while: settings in, an empty folder out that is removed at the end."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.settings import Settings


@contextmanager
def scratch_folder(settings: Settings) -> Iterator[Path]:
    """Give an empty local folder that is removed at the end, and remove those of processes that were killed.

    Raises NightjarError where there can be none.
    """
    folder = settings.state_dir / "scratch" / uuid4().hex
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder.parent)
        lock = _open(folder)
        _held(lock)  # before there is a folder; where a disk knows no locks, nobody removes any
        folder.mkdir()
    except OSError as error:
        raise NightjarError(
            f"cannot make a folder in {folder.parent}: {error.strerror or error}",
            "free space there, or name another folder by NIGHTJAR_STATE",
        ) from error
    try:
        yield folder
    finally:
        _remove(folder, lock)


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders that no living process holds."""
    for folder in [path for path in parent.iterdir() if path.is_dir()]:
        with suppress(OSError):  # of another user's
            lock = _open(folder)
            if _held(lock):
                _remove(folder, lock)
            else:
                os.close(lock)


def _open(folder: Path) -> int:
    return os.open(_beside(folder), os.O_RDWR | os.O_CREAT, 0o600)


def _held(lock: int) -> bool:
    """Lock a file until this process ends, however that is, or closes it; say whether nobody else has."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _beside(folder).unlink(missing_ok=True)
    os.close(lock)


def _beside(folder: Path) -> Path:
    return folder.with_suffix(".lock")
