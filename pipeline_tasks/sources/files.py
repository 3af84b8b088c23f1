"""The files of a source's table: an absolute URI (file, folder or glob) in; URIs, bytes, local copies out."""

import bz2
import gzip
import io
import os
import posixpath
import re
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from urllib.parse import quote, unquote

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake.store import Missing, open_store
from pipeline_tasks.settings import SourceTable

GLOB = re.compile(r"[*?\[]")
DOWNLOADS_AT_ONCE = 8
# what files begin with that are no text, and what to do with them
NO_TEXT = {
    b"\x1f\x8b": "it is packed by gzip: let its name end in .gz",
    b"BZh": "it is packed by bzip2: let its name end in .bz2",
    b"\x28\xb5\x2f\xfd": "it is packed by zstd: unpack it, or pack it by gzip",
    b"PK\x03\x04": "it is a zip archive: unpack it",
    b"PAR1": "it is Parquet: set format in the source's declaration",
}


def absolute(uri: str, root: str) -> str:
    """Return a declared URI as file:///… or s3://…; a relative one starts from `root`, a path or s3:// URI."""
    if "://" in uri:
        return uri
    if root.startswith("s3://") and not uri.startswith("/"):
        bucket, _, key = root.removeprefix("s3://").partition("/")
        return f"s3://{bucket}/{posixpath.normpath(posixpath.join(key, uri))}"
    # a glob's own characters stay bare, so that they differ from the same ones in a folder's name
    declared = quote(uri, safe="/*?[]!")
    return "file://" + posixpath.normpath(posixpath.join(quote(root.removeprefix("file://")), declared))


def files(table: SourceTable) -> list[str]:
    """Return the sorted URIs of the table's files, [] where there are none.

    `table.uri` is absolute. A folder stands for every file below it; names that begin with "." or "_" are
    not data. Raises Refused for a place that cannot be read, StoreError when S3 fails.
    """
    root, steps = _split(table.uri)
    plain = list(takewhile(lambda step: not GLOB.search(step), steps))
    pattern = steps[len(plain) :] or ["**"]
    with _readable(table.uri):
        if len(plain) == len(steps) and _exists(table.uri):
            return [table.uri]
        below = _below(root + "/".join(plain))
    return [uri for uri, path in below if _is_data(path) and _matches(pattern, path.split("/"))]


def open_file(uri: str) -> BinaryIO:
    """Open a file of the source for reading; of one on S3 only what is read travels. Raises Refused."""
    with _readable(uri):
        path = local_path(uri)
        return path.open("rb") if path else open_store(_split(uri)[0]).open("/".join(_split(uri)[1]))


@contextmanager
def open_text(uri: str, errors: str = "strict", newline: str | None = "") -> Iterator[TextIO]:
    """Open a file of the source as UTF-8 text, unpacked where its name ends in .gz or .bz2. Raises Refused.

    `errors` and `newline` are those of `io.TextIOWrapper`.
    """
    with open_file(uri) as raw:
        stream: Any = raw
        if uri.endswith(".gz"):
            stream = gzip.GzipFile(fileobj=raw)
        elif uri.endswith(".bz2"):
            stream = bz2.BZ2File(raw)
        try:
            yield io.TextIOWrapper(stream, encoding="utf-8-sig", errors=errors, newline=newline)
        except UnicodeDecodeError as error:
            raise Refused(f"{uri} is no UTF-8 text: {error}", _instead(uri)) from error
        except (OSError, EOFError, zlib.error) as error:
            raise Refused(f"{uri} cannot be read: {error}", "it may be damaged: write it again") from error


def _instead(uri: str) -> str:
    """Return what to do with a file that is no text."""
    with open_file(uri) as raw:
        begin = raw.read(max(map(len, NO_TEXT)))
    return next(
        (said for mark, said in NO_TEXT.items() if begin.startswith(mark)), "write it again, as UTF-8"
    )


def local_path(uri: str) -> Path | None:
    """Return the path behind a file:// URI, None for another."""
    return Path(unquote(uri.removeprefix("file://"))) if uri.startswith("file://") else None


def fetch(uris: Sequence[str], scratch: Path) -> list[Path]:
    """Return files of a source as local paths, in order; those on S3 are copied into `scratch`."""
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        return list(pool.map(lambda n: _local(n, uris[n], scratch), range(len(uris))))


def _local(number: int, uri: str, scratch: Path) -> Path:
    path = local_path(uri)
    if path is not None:
        return path
    root, steps = _split(uri)
    scratch.mkdir(parents=True, exist_ok=True)
    copy = scratch / f"{number:05d}-{re.sub(r'[^A-Za-z0-9.]', '_', steps[-1])}"
    open_store(root).download("/".join(steps), copy)
    return copy


def _split(uri: str) -> tuple[str, list[str]]:
    """Return the root ("file:///", "s3://bucket/") and the steps of the path below it."""
    scheme, _, rest = uri.partition("://")
    if scheme not in ("file", "s3"):
        raise Refused(f"{uri!r} is no place for a source", "use a path, file:///… or s3://bucket/…")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}/", [step for step in path.split("/") if step]


def _exists(uri: str) -> bool:
    path = local_path(uri)
    return path.is_file() if path else open_store(_split(uri)[0]).exists("/".join(_split(uri)[1]))


def _below(folder: str) -> list[tuple[str, str]]:
    """Return the URI of each file below a folder and its path from there, sorted."""
    path = local_path(folder)
    if path is None:
        root, steps = _split(folder)
        prefix = "".join(f"{step}/" for step in steps)
        return [(root + key, key.removeprefix(prefix)) for key in open_store(root).keys(prefix)]
    found = [Path(place, name) for place, _, names in os.walk(path, onerror=_give_up) for name in names]
    return sorted((each.as_uri(), each.relative_to(path).as_posix()) for each in found)


def _give_up(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _is_data(path: str) -> bool:
    return not any(step.startswith((".", "_")) for step in path.split("/"))


def _matches(pattern: list[str], steps: list[str]) -> bool:
    """Say whether the steps of a path match those of a glob; "**" stands for any number of steps."""
    if not pattern:
        return not steps
    if pattern[0] == "**":
        return any(_matches(pattern[1:], steps[n:]) for n in range(len(steps) + 1))
    name = unquote(pattern[0])
    return bool(steps) and fnmatchcase(steps[0], name) and _matches(pattern[1:], steps[1:])


@contextmanager
def _readable(uri: str) -> Iterator[None]:
    try:
        yield
    except (Missing, FileNotFoundError) as error:
        raise Refused(f"there is no file at {uri}", "see uri in the source's declaration") from error
    except OSError as error:
        raise Refused(f"cannot read {uri}: {error.strerror or error}", "see its permissions") from error
