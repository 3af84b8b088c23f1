"""A store that breaks when a test says so: before a change, or after it, when only the reply is lost."""

from pathlib import Path
from typing import Any, BinaryIO, Literal

from pipeline_tasks.lake.store import Store, StoreError

CHANGES = ("write", "create", "upload", "delete")


class Killed(BaseException):
    """Stands for the end of the process: nothing in the package catches it."""


class FailingStore:
    """`inner`, except that its `at`-th change (from 1) raises `error`; `changes` counts those seen.

    With when="after" the change is made and then the error raised.
    """

    def __init__(
        self,
        inner: Store,
        at: int,
        when: Literal["before", "after"] = "before",
        error: BaseException | None = None,
    ) -> None:
        self.inner, self.at, self.when = inner, at, when
        self.error = error or StoreError("the store does not answer")
        self.uri = inner.uri
        self.changes = 0

    def _change(self, verb: str, *arguments: Any) -> None:
        self.changes += 1
        due = self.changes == self.at
        if due and self.when == "before":
            raise self.error
        getattr(self.inner, verb)(*arguments)
        if due:
            raise self.error

    def write(self, key: str, data: bytes) -> None:
        self._change("write", key, data)

    def create(self, key: str, data: bytes) -> None:
        self._change("create", key, data)

    def upload(self, local: Path, key: str) -> None:
        self._change("upload", local, key)

    def delete(self, keys: list[str]) -> None:
        self._change("delete", keys)

    def impatient(self, seconds: float) -> Store:
        return self

    def read(self, key: str) -> bytes:
        return self.inner.read(key)

    def open(self, key: str) -> BinaryIO:
        return self.inner.open(key)

    def read_range(self, key: str, start: int, end: int) -> bytes:
        return self.inner.read_range(key, start, end)

    def exists(self, key: str) -> bool:
        return self.inner.exists(key)

    def keys(self, prefix: str) -> list[str]:
        return self.inner.keys(prefix)

    def sizes(self, prefix: str) -> dict[str, int]:
        return self.inner.sizes(prefix)

    def folders(self, prefix: str) -> list[str]:
        return self.inner.folders(prefix)

    def download(self, key: str, local: Path) -> None:
        self.inner.download(key, local)


def content(store: Store, prefix: str = "") -> dict[str, bytes]:
    """Return everything under a prefix, leases aside, for comparisons before and after."""
    return {key: store.read(key) for key in store.keys(prefix) if not key.startswith("leases/")}
