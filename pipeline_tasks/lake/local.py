"""A local directory as an object store: atomic by rename, create-if-absent by an exclusive hard link."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from pipeline_tasks.lake.store import AlreadyExists, Missing, StoreError

# Half-written objects lie here, on the same file system as the rest, and no listing shows them.
INCOMING = ".incoming"


class LocalStore:
    """Objects are files under `root`, which is made when first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = root.as_uri()

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
            _flush(scratch)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(scratch, target)
            _flush(target.parent)

    def exists(self, key: str) -> bool:
        with self._explained("look at", key):
            return self.path(key).is_file()

    def keys(self, prefix: str) -> list[str]:
        folder = self.path(prefix.rpartition("/")[0])
        keys = (found.relative_to(self.root).as_posix() for found in folder.rglob("*") if found.is_file())
        return sorted(key for key in keys if key.startswith(prefix) and not key.startswith(INCOMING))

    def folders(self, prefix: str) -> list[str]:
        folder = self.path(prefix)
        if not folder.is_dir():
            return []
        return sorted(found.name for found in folder.iterdir() if found.is_dir() and found.name != INCOMING)

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

    def _install(self, scratch: Path, key: str) -> None:
        target = self.path(key)
        _flush(scratch)
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch.replace(target)
        _flush(target.parent)

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        folder = self.root / INCOMING
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / uuid4().hex
        try:
            yield scratch
        finally:
            scratch.unlink(missing_ok=True)

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


def _flush(path: Path) -> None:
    """Make a file, or a folder's entries, durable before anything refers to them."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
