"""A table's files: one file, a folder or a glob, on a local disk and on S3 alike."""

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import SourceTable
from pipeline_tasks.sources.files import absolute, fetch, files, open_file, open_text

NAMES = (
    "a.csv",
    "day=1/b.csv",
    "day=1/_SUCCESS",
    "day=2/c.csv",
    "day=2/.c.csv.crc",
    "notes.txt",
    "_old/d.csv",
)


def table(uri: str) -> SourceTable:
    columns = {"user_id": "u", "item_id": "i", "event_time": "t"}
    return SourceTable(uri=uri, format="csv", columns=columns)


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder of files, on a local disk and on S3; its name holds what means something in globs and URIs."""
    folder = tmp_path / "my data [1] 100%"
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    if request.param == "local":
        return str(folder)
    lake: Any = request.getfixturevalue("s3_lake")
    for name in NAMES:
        lake.upload(folder / name, f"data/{name}")
    return f"{lake.uri}/data"


@pytest.mark.parametrize(
    ("uri", "names"),
    [
        ("a.csv", ["a.csv"]),
        ("b.csv", []),
        ("nowhere/*.csv", []),
        ("*.csv", ["a.csv"]),
        ("day=[12]/?.csv", ["day=1/b.csv", "day=2/c.csv"]),
        ("*/*.csv", ["day=1/b.csv", "day=2/c.csv"]),
        ("**/*.csv", ["a.csv", "day=1/b.csv", "day=2/c.csv"]),
        ("day=1", ["day=1/b.csv"]),
        (".", ["a.csv", "day=1/b.csv", "day=2/c.csv", "notes.txt"]),
    ],
)
def test_files_folders_and_globs_are_found(root: str, tmp_path: Path, uri: str, names: list[str]) -> None:
    found = files(table(absolute(uri, root)))
    assert [open_file(each).read().decode() for each in found] == names
    assert [path.read_text() for path in fetch(found, tmp_path / "copies")] == names


def test_s3_files_are_copied_and_local_ones_are_not(s3_lake: Any, tmp_path: Path) -> None:
    (tmp_path / "ü .csv").write_text("here")
    s3_lake.upload(tmp_path / "ü .csv", "there/ü .csv")
    (local,) = fetch(files(table(absolute("ü .csv", str(tmp_path)))), tmp_path / "copies")
    assert local == tmp_path / "ü .csv"
    (copy,) = fetch([f"{s3_lake.uri}/there/ü .csv"], tmp_path / "copies")
    assert copy.parent == tmp_path / "copies"
    assert copy.read_text() == "here"


def test_uris_may_be_absolute_in_any_way(tmp_path: Path) -> None:
    for uri in (str(tmp_path / "x.csv"), (tmp_path / "x.csv").as_uri(), "s3://bucket/x.csv"):
        assert absolute(uri, "/elsewhere").endswith("/x.csv")
        assert "elsewhere" not in absolute(uri, "/elsewhere")
    assert absolute("../b/x.csv", "/data/a") == "file:///data/b/x.csv"
    assert absolute("x/*.csv", "s3://bucket/a/") == "s3://bucket/a/x/*.csv"


def test_another_scheme_is_refused() -> None:
    with pytest.raises(Refused, match="no place for a source"):
        files(table("ftp://host/x.csv"))


def test_what_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.csv").write_text("x")

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(Refused, match=r"cannot read .*x\.csv: Permission denied"):
        open_file((tmp_path / "x.csv").as_uri())
    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(Refused, match=r"cannot read .*/\*\.csv: Permission denied"):
        files(table(absolute("*.csv", str(tmp_path))))


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is no file at"):
        open_file((tmp_path / "x.csv").as_uri())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "größe".encode("latin-1"), r"x\.csv is no UTF-8 text"),
        ("x.csv.gz", b"not packed", r"x\.csv\.gz cannot be read: Not a gzipped file .*damaged"),
        ("x.csv.bz2", b"not packed", r"x\.csv\.bz2 cannot be read: Invalid data stream"),
        ("x.csv.gz", gzip.compress(b"x" * 1000, mtime=0)[:-9], "cannot be read: Compressed file ended"),
        (
            "x.csv.gz",
            gzip.compress(b"x", mtime=0)[:10] + b"damaged within",
            "cannot be read: Error -3 while decompressing",
        ),
    ],
)
def test_text_that_is_not_utf8_or_not_packed_is_refused(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused, match=said), open_text((tmp_path / name).as_uri()) as text:
        text.read()
