"""One small object-store interface and how a URI becomes one of its two implementations.

Keys are relative to the store's root, parts joined by "/". A write replaces whole objects atomically;
`create` is the one primitive that commits rest on.
"""

from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote

from pipeline_tasks.errors import NightjarError, Refused


class StoreError(NightjarError):
    """The store did not do what was asked: unreachable, full, read-only, or refusing."""


class Missing(StoreError):
    """There is no object of that key."""


class AlreadyExists(StoreError):
    """`create` found an object of that key: somebody else was first."""


class Store(Protocol):
    """Objects under a root URI. Every method raises StoreError when the store fails."""

    uri: str

    def read(self, key: str) -> bytes:
        """Return the object's bytes; raises Missing."""

    def open(self, key: str) -> BinaryIO:
        """Return the object as a seekable file that fetches only what is read; raises Missing."""

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """Return the object's bytes from `start` up to `end`, fewer where it ends before; raises Missing."""

    def write(self, key: str, data: bytes) -> None:
        """Put the object, replacing one that is there, atomically."""

    def create(self, key: str, data: bytes) -> None:
        """Put the object only if there is none of that key; raises AlreadyExists. Atomic."""

    def exists(self, key: str) -> bool:
        """Say whether there is an object of that key."""

    def keys(self, prefix: str) -> list[str]:
        """Return the sorted keys that begin with `prefix` (whole keys, relative to the root)."""

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the keys that begin with `prefix`, sorted, each with its object's size in bytes."""

    def folders(self, prefix: str) -> list[str]:
        """Return the sorted names of the folders directly under `prefix`, which ends with "/"."""

    def upload(self, local: Path, key: str) -> None:
        """Put a local file, replacing an object that is there, atomically."""

    def download(self, key: str, local: Path) -> None:
        """Copy an object to a local file whose folder exists; raises Missing."""

    def delete(self, keys: list[str]) -> None:
        """Remove objects; those that are absent already are no error."""

    def impatient(self, seconds: float) -> "Store":
        """Return this store for requests that are given up after so many seconds, and tried once more."""


def create_once(store: Store, key: str, data: bytes) -> bool:
    """Create the object; say whether it is ours, also when the store's reply was lost or was a retry's.

    `data` is nobody else's: it holds a nonce. Raises StoreError when the store fails, also where nobody can tell then
    whose object it is.
    """
    try:
        store.create(key, data)
    except StoreError as error:
        try:
            return store.read(key) == data
        except StoreError as unread:
            # a store may answer "conflict" to those who create at the same time, and may have made none
            if isinstance(error, AlreadyExists) and isinstance(unread, Missing):
                return False
            raise StoreError(
                f"{error.reason}; whether this process made it is not known", error.hint or "run it again"
            ) from error
    return True


def open_store(uri: str) -> Store:
    """Return the store behind a file:// or s3:// URI; raises Refused for anything else."""
    scheme, _, rest = uri.partition("://")  # what follows a # or ? belongs to the name
    first, _, path = rest.partition("/")
    if scheme == "file" and path and not first:  # a host's name, or a relative path's first folder
        from pipeline_tasks.lake.local import LocalStore

        return LocalStore(Path("/" + unquote(path)))
    if scheme == "s3" and first:
        from pipeline_tasks.lake.s3 import S3Store

        return S3Store(first, path.strip("/"))
    raise Refused(f"{uri!r} is no place for a lake", "use file:///absolute/path or s3://bucket/prefix")
