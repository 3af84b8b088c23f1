"""Versions of the published tables: local Parquet files in; manifest, name and objects in the lake out.

A version is named by the bytes of its manifest, which lists every file's checksum: equal content has equal
names, and a version that is there is never rewritten.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import floors, layout
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.lake.store import AlreadyExists, Missing, Store
from pipeline_tasks.lake.tables import sha256_at, sha256_of

MANIFEST = "manifest.json"
ANOTHER = "`python -m pipeline_tasks versions` lists what there is"
# a Parquet file ends with its footer, four bytes that say how long that is, and "PAR1"
FOOTER_END_BYTES = 8


@dataclass(frozen=True)
class Manifest:
    """A version's description as bytes, and the name and checksum that follow from them."""

    data: bytes
    run_date: date

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def version(self) -> str:
        return f"{self.run_date}-{self.sha256[:12]}"

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.data)
        return content


def describe(run_date: date, files: dict[str, Sequence[Path]], facts: dict[str, Any]) -> Manifest:
    """Return the manifest of local Parquet files by table; `facts` is what else makes the version.

    Facts hold nothing of clock, host, place or launcher, or equal content would get unequal names.
    """
    content = {**facts, "run_date": str(run_date), "tables": {name: _table(files[name]) for name in files}}
    data = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False).encode()
    return Manifest(data, run_date)


def _table(paths: Sequence[Path]) -> dict[str, Any]:
    footers = [pq.read_metadata(path) for path in paths]
    schema = footers[0].schema.to_arrow_schema()
    described = [
        {
            "name": path.name,
            "rows": footer.num_rows,
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
            "footer": _footer(path),
        }
        for path, footer in zip(paths, footers, strict=True)
    ]
    return {
        "rows": sum(footer.num_rows for footer in footers),
        "schema": [{"name": column.name, "type": str(column.type)} for column in schema],
        "files": described,
    }


def _footer(path: Path) -> dict[str, Any]:
    """Return the length and SHA-256 of a Parquet file's footer, the length and magic number at its end included."""
    with path.open("rb") as handle:
        handle.seek(-FOOTER_END_BYTES, os.SEEK_END)
        size = int.from_bytes(handle.read(4), "little") + FOOTER_END_BYTES
        handle.seek(-size, os.SEEK_END)
        return {"bytes": size, "sha256": hashlib.sha256(handle.read()).hexdigest()}


def is_whole(store: Store, version: str) -> bool:
    """Say whether the version has a manifest, which is written last, and removed first."""
    return store.exists(f"{layout.version(version)}/{MANIFEST}")


def upload(store: Store, manifest: Manifest, files: dict[str, Sequence[Path]]) -> bool:
    """Put the files and then the manifest; return False where the version is there already."""
    folder = layout.version(manifest.version)
    if is_whole(store, manifest.version):
        return False
    for table, paths in files.items():
        for path in paths:
            store.upload(path, f"{folder}/{table}/{path.name}")
    try:
        store.create(f"{folder}/{MANIFEST}", manifest.data)
    except AlreadyExists:
        return False
    return True


def read_manifest(store: Store, version: str, sha256: str = "") -> dict[str, Any]:
    """Return a version's manifest; raises Refused where it is absent or not what `sha256`, or its name, says."""
    key = f"{layout.version(version)}/{MANIFEST}"
    try:
        data = store.read(key)
    except Missing as error:
        raise Refused(f"there is no {store.uri}/{key}", _again(store, version)) from error
    told = sha256 or version.rpartition("-")[2]
    if not hashlib.sha256(data).hexdigest().startswith(told):
        raise Refused(
            f"{store.uri}/{key} has been altered: its SHA-256 is not {told[:12]}…",
            _again(store, version, f", once {store.uri}/{layout.version(version)} is removed"),
        )
    content: dict[str, Any] = json.loads(data)
    return content


def verify(store: Store, version: str, sha256: str = "") -> dict[str, Any]:
    """Return the manifest after reading every file of the version; raises Refused for one that differs."""
    manifest = read_manifest(store, version, sha256)
    for table, described in manifest["tables"].items():
        for file in described["files"]:
            key = f"{layout.version(version)}/{table}/{file['name']}"
            found = sha256_at(store, key)
            if found != file["sha256"]:
                state = "is missing" if found is None else "has been altered since it was checked"
                raise Refused(
                    f"{store.uri}/{key} {state}",
                    _again(store, version, f", once {store.uri}/{layout.version(version)} is removed"),
                )
    return manifest


def _again(store: Store, version: str, then: str = "") -> str:
    """Return what to do where a version is not there, or not whole."""
    night, rest = layout.date_of(version[:10]), version[10:]
    if night is None or not rest:
        return ANOTHER
    return floors.again(store, night, "check", f"put it back from a copy of the lake; {ANOTHER}", then)


def local_files(store: Store, version: str, manifest: dict[str, Any], table: str, folder: Path) -> list[Path]:
    """Return a table's files on this machine: in place in a local lake, else copied to `folder`; raises Missing."""
    keys = [
        f"{layout.version(version)}/{table}/{file['name']}" for file in manifest["tables"][table]["files"]
    ]
    if isinstance(store, LocalStore):
        return [store.path(key) for key in keys]
    folder.mkdir(parents=True)
    for key in keys:
        store.download(key, folder / Path(key).name)
    return [folder / Path(key).name for key in keys]
