"""A local directory as an object store: atomic by rename, create-if-absent by an exclusive hard link."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from pipeline_tasks.lake.store import AlreadyExists, Missing, StoreError

# Half-written objects lie here, on the same file system as the rest, and no listing shows them.
INCOMING = ".incoming"
# what has not been written to for so long was left by a writer that was killed
LEFT_SECONDS = 86_400
ATTEMPTS = 5


class LocalStore:
    """Objects are files under `root`, which is made when first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = root.as_uri()
        self._swept = False

    def path(self, key: str) -> Path:
        """Return the file of a key; raises StoreError for one that would leave the root."""
        if ".." in key.split("/") or key.startswith("/"):
            raise StoreError(f"key {key!r} leaves the lake {self.uri}")
        return self.root / key

    def read(self, key: str) -> bytes:
        with self._explained("read", key):
            return self.path(key).read_bytes()

    def open(self, key: str) -> BinaryIO:
        with self._explained("read", key):
            return self.path(key).open("rb")

    def read_range(self, key: str, start: int, end: int) -> bytes:
        with self._explained("read", key), self.path(key).open("rb", buffering=0) as handle:
            return os.pread(handle.fileno(), end - start, start)

    def write(self, key: str, data: bytes) -> None:
        with self._explained("write", key), self._incoming() as scratch:
            scratch.write_bytes(data)
            self._install(scratch, key)

    def create(self, key: str, data: bytes) -> None:
        target = self.path(key)
        with self._explained("create", key), self._incoming() as scratch:
            scratch.write_bytes(data)
            self._put(scratch, target, os.link)

    def exists(self, key: str) -> bool:
        with self._explained("look at", key):
            return self.path(key).is_file()

    def keys(self, prefix: str) -> list[str]:
        # unlike rglob, walk goes on where a folder is removed meanwhile
        with self._explained("list", prefix):
            walked = os.walk(self.path(prefix.rpartition("/")[0]), onerror=_unless_gone)
            found = (Path(folder, name) for folder, _, names in walked for name in names)
            keys = (path.relative_to(self.root).as_posix() for path in found)
            return sorted(key for key in keys if key.startswith(prefix) and not key.startswith(INCOMING))

    def sizes(self, prefix: str) -> dict[str, int]:
        found = {}
        for key in self.keys(prefix):
            with suppress(FileNotFoundError):  # one that was removed while the others were listed
                found[key] = self.path(key).stat().st_size
        return found

    def folders(self, prefix: str) -> list[str]:
        with self._explained("list", prefix):
            try:
                found = list(self.path(prefix).iterdir())
            except (FileNotFoundError, NotADirectoryError):
                return []
            return sorted(each.name for each in found if each.name != INCOMING and _holds_something(each))

    def upload(self, local: Path, key: str) -> None:
        with self._explained("write", key), self._incoming() as scratch:
            shutil.copyfile(local, scratch)
            self._install(scratch, key)

    def download(self, key: str, local: Path) -> None:
        with self._explained("read", key):
            shutil.copyfile(self.path(key), local)

    def delete(self, keys: list[str]) -> None:
        for key in keys:
            with self._explained("delete", key):
                self.path(key).unlink(missing_ok=True)
        for folder in {self.path(key).parent for key in keys}:
            self._prune(folder)

    def impatient(self, seconds: float) -> "LocalStore":
        return self

    def _install(self, scratch: Path, key: str) -> None:
        self._put(scratch, self.path(key), os.replace)

    def _put(self, scratch: Path, target: Path, move: Callable[[Path, Path], None]) -> None:
        _flush(scratch)
        for attempt in range(ATTEMPTS):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                move(scratch, target)
                break
            except FileNotFoundError:  # somebody has removed the folder, which was empty, in between
                if attempt == ATTEMPTS - 1:
                    raise
        _flush(target.parent)

    def _prune(self, folder: Path) -> None:
        """Remove the folder and those above it as far as nothing is left in them: a store has no empty folders."""
        while folder != self.root:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return
            folder = folder.parent

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        folder = self.root / INCOMING
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / uuid4().hex
        try:
            yield scratch
        finally:
            scratch.unlink(missing_ok=True)
            self._sweep(folder)

    def _sweep(self, folder: Path) -> None:
        """Remove what killed writers have left, once for each store, by the disk's clock: the folder has just changed."""
        if self._swept:
            return
        self._swept = True
        with suppress(OSError):  # the next writer tries it again
            now = folder.stat().st_mtime
            for each in list(folder.iterdir()):
                with suppress(FileNotFoundError):
                    if now - each.stat().st_mtime > LEFT_SECONDS:
                        each.unlink()

    @contextmanager
    def _explained(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            raise AlreadyExists(f"{self.uri}/{key} exists already") from error
        except FileNotFoundError as error:
            raise Missing(f"there is no {self.uri}/{key}") from error
        except OSError as error:
            raise StoreError(
                f"cannot {verb} {self.uri}/{key}: {error.strerror or error}",
                "the disk may be full, or the lake read-only for this user",
            ) from error


def _holds_something(folder: Path) -> bool:
    """Say whether there is an object below: who died between making a folder and filling it leaves an empty one."""
    return any(names for _, _, names in os.walk(folder, onerror=_unless_gone))


def _unless_gone(error: OSError) -> None:
    """Raise what a folder could not be listed for, as what is in it counts; one that has gone, or is a file, has nothing."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _flush(path: Path) -> None:
    """Make a file, or a folder's entries, durable before anything refers to them."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
