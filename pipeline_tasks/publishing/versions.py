"""Versions of the published tables: local Parquet files in; manifest, name and objects in the lake out.

A version is named by the bytes of its manifest, which lists every file's checksum: equal content has equal
names, and a version that is there is never rewritten.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypedDict

import pyarrow.parquet as pq

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import floors, layout, shapes, tables
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.lake.store import AlreadyExists, Missing, Store
from pipeline_tasks.lake.tables import sha256_at, sha256_of
from pipeline_tasks.publishing.difference import Difference

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


class BrokenRule(TypedDict):
    """What is read of a verdict's failure."""

    reason: str


class Judged(TypedDict):
    """What is read of a verdict's finding."""

    severity: Literal["stop", "warn"]
    sentence: str
    holds: bool


PARTS = {"failures": list[BrokenRule], "health": list[Judged]}


@dataclass(frozen=True)
class Verdict:
    """What the check found about a night's version.

    `staged` maps each staged table to the digest it was made from, so that a verdict on older lists is
    known as such; `failures` are the broken rules of its contract, worst first; `health` are all findings
    against what was live; `warnings` do not keep it from going live. `difference` is what changed since the version
    that was live, `against` (a Difference as JSON; both None without one, and in verdicts of old).
    """

    version: str
    manifest_sha256: str
    passed: bool
    staged: dict[str, str]
    failures: list[dict[str, Any]] = field(default_factory=list)
    health: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    against: str | None = None
    difference: dict[str, Any] | None = None

    @property
    def held_by(self) -> list[str]:
        """Why a version that keeps its contract waits for somebody to release it."""
        stopped = (each for each in self.health if each["severity"] == "stop" and not each["holds"])
        return [each["sentence"] for each in stopped]


def write_verdict(store: Store, run_date: date, verdict: Verdict) -> None:
    """Keep the verdict of a night, replacing that of an earlier check."""
    data = json.dumps(asdict(verdict), sort_keys=True, indent=1, ensure_ascii=False).encode()
    store.write(layout.verdict(run_date), data)


def read_verdict(store: Store, run_date: date) -> Verdict | None:
    """Return the night's verdict, or None where it was never checked; raises Refused for a damaged one."""
    key = layout.verdict(run_date)
    try:
        return _verdict(store.read(key))
    except Missing:
        return None
    except ValueError as error:
        raise Refused(
            f"{store.uri}/{key} is damaged: {error}",
            floors.again(
                store, run_date, "check", "remove the verdict, and its version is as one never checked"
            ),
        ) from error


def _verdict(data: bytes) -> Verdict:
    found = shapes.parsed(Verdict, data)
    for name, kind in PARTS.items():
        if not shapes.fits(getattr(found, name), kind):
            raise ValueError(f"its {name} lack what is read of them")
    if found.difference is not None:
        shapes.shaped(Difference, found.difference)
    return found


def require_passed(store: Store, run_date: date) -> Verdict:
    """Return the verdict of the night's newest staged lists; raises Refused unless they keep their contract."""
    verdict = read_verdict(store, run_date)
    if verdict is None:
        first = floors.again(store, run_date, "check", ANOTHER)
        raise Refused(f"night {run_date} has no checked version", first)
    for table, digest in verdict.staged.items():
        commit = tables.read_commit(store, layout.night(table, run_date))
        if commit is None or commit.digest != digest:
            again = floors.again(store, run_date, "check", ANOTHER)
            raise Refused(f"{table} of {run_date} has changed since it was checked", again)
    if not verdict.passed:
        worst = verdict.failures[0] if verdict.failures else {}
        raise Refused(
            f"version {verdict.version} failed its check: {worst.get('reason', 'see its verdict')}",
            f"mend the cause; {floors.again(store, run_date, 'the stages from it on', ANOTHER)}",
        )
    return verdict
