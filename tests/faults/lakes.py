"""The lakes that worlds begin from: nights 0 and 1 published, night 2 checked or about to be, night 3 checked."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import boto3
import pyarrow as pa

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.publishing import log, verdicts, versions
from pipeline_tasks.publishing.log import Change
from pipeline_tasks.publishing.verdicts import Verdict
from pipeline_tasks.publishing.versions import Manifest
from tests.failing_store import content
from tests.lists import NIGHT, files_in
from tests.stages.published_night import HEALTH, write_checked
from tests.stages.staged_night import write_source

NIGHTS = [NIGHT + timedelta(days=days) for days in range(4)]
LISTED, SOLD_OUT = ("i1", "i2"), "i3"


@dataclass(frozen=True)
class Origin:
    """What every world copies: a lake's objects, each night's verdict, and the local files of night 2's version.

    `data` is the shop's folder, where an item that no list holds has sold out since night 2.
    """

    data: Path
    objects: dict[str, bytes]
    verdicts: dict[date, Verdict]
    manifest: Manifest
    files: dict[str, list[Path]]
    held_verdict: bytes
    published: dict[str, bytes]

    def version(self, night: int) -> str:
        return self.verdicts[NIGHTS[night]].version

    def checked(self) -> dict[str, bytes]:
        return self.objects

    def unchecked(self) -> dict[str, bytes]:
        """Return the objects as they are before the check of night 2."""
        left = (layout.version(self.version(2)), layout.verdict(NIGHTS[2]))
        return {key: data for key, data in self.objects.items() if not key.startswith(left)}

    def held(self) -> dict[str, bytes]:
        """Return the objects as they are where the health of night 2 holds it back."""
        return {**self.objects, layout.verdict(NIGHTS[2]): self.held_verdict}

    def old(self) -> dict[str, bytes]:
        """Return the objects as they are after all nights: what retention may remove of the first two."""
        return {**self.objects, **self.published}


def first_item(night: date) -> str:
    """Return the item that begins every list of a night's version: a reader sees whose lists it has."""
    return f"of-{night}"


def origin(folder: Path) -> Origin:
    """Make the versions of all nights under `folder`."""
    store = LocalStore(folder / "lake")
    found = {}
    for night in NIGHTS:
        lists = {user: [first_item(night), "i1"] for user in ("ann", "bob")}
        found[night] = write_checked(store, folder / str(night), night, lists)
    _append(store, [found[night] for night in NIGHTS[:2]])
    known = [{"item_id": item, "item_index": place} for place, item in enumerate((*LISTED, SOLD_OUT), 1)]
    tables.write_table(store, layout.night("training/items", NIGHTS[2]), pa.Table.from_pylist(known))
    files = files_in(folder / str(NIGHTS[2]))
    verdict = found[NIGHTS[2]]
    manifest = store.read(f"{layout.version(verdict.version)}/{versions.MANIFEST}")
    objects = content(store)
    verdicts.write(store, NIGHTS[2], replace(verdict, health=[HEALTH]))
    held = store.read(layout.verdict(NIGHTS[2]))
    _append(store, [found[night] for night in NIGHTS[2:]])
    for before, night in zip([None, *NIGHTS], NIGHTS, strict=False):
        tables.write_table(
            store, layout.night("clean/interactions", night), pa.table({"n": [1]}), after=before
        )
    published = {
        **content(store, layout.LOG),
        **content(store, "clean/"),
        layout.CURRENT: store.read(layout.CURRENT),
    }
    write_source(
        folder / "data", [{"item": SOLD_OUT, "updated_at": f"{NIGHTS[3]}T08:00:00Z", "available": False}]
    )
    return Origin(folder / "data", objects, found, Manifest(manifest, NIGHTS[2]), files, held, published)


def _append(store: Store, verdicts: Iterable[Verdict]) -> None:
    for verdict in verdicts:
        night = verdict.version[:10]
        change = Change(verdict.version, night, verdict.manifest_sha256, "publish", "origin", "a night")
        log.append(store, change, lambda live: None)


@contextmanager
def lake_of(objects: dict[str, bytes], kind: str, folder: Path) -> Iterator[Store]:
    """Give a store of these objects, on a local disk or on the S3 server that the environment names."""
    if kind == "local":
        yield _on_disk(objects, folder)
        return
    client, bucket = boto3.client("s3"), f"w-{uuid4().hex}"
    client.create_bucket(Bucket=bucket)
    for key, data in objects.items():
        client.put_object(Bucket=bucket, Key=f"lake/{key}", Body=data)
    store = open_store(f"s3://{bucket}/lake")
    try:
        yield store
    finally:
        store.delete(store.keys(""))
        client.delete_bucket(Bucket=bucket)


def _on_disk(objects: dict[str, bytes], folder: Path) -> Store:
    for key, data in objects.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return LocalStore(folder)
