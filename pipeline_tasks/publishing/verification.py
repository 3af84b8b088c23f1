"""Is what is stored what was published? A version's files against its manifest, and the log's continuity."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import changes, log, versions
from pipeline_tasks.publishing.log import Entry


def faults_of_log(store: Store) -> Iterator[str]:
    """Yield what is wrong with the log: all gone, numbers that are missing, entries that are none, or of changed versions.

    A version whose manifest has gone is a fault only where it is live: retention removes older ones.
    """
    keys = log.keys(store)
    if not keys and store.exists(layout.CURRENT):
        yield (
            f"{store.uri}/{layout.LOG} has no entry left, and current.json is a copy of one: put them back from a copy "
            "of the lake; without one publish a night, and the log begins anew"
        )
    expected = [layout.log_entry(number) for number in range(1, len(keys) + 1)]
    for key in sorted(set(expected) - set(keys)):
        yield (
            f"{store.uri}/{key} is missing, and the log has entries after it: put it back from a copy of the lake; "
            "without one they hold, and what it said, as a rollback, is forgotten"
        )
    try:
        history = log.entries(store, keys)
    except NightjarError as error:
        yield str(error)
        return
    for entry in {entry.version: entry for entry in history}.values():
        if entry == history[-1] or versions.is_whole(store, entry.version):
            yield from _faults_of_manifest(store, entry)
    lost = log.lost(store)
    if lost:
        yield str(log.of_lost(store, lost))
    elif history and log.is_unfinished(store):
        yield (
            f"{store.uri}/{layout.CURRENT} is not the newest entry: readers that do not list see an older one "
            "until the next publish, release or rollback copies it"
        )


def needed(store: Store, live: Entry) -> set[str]:
    """Return the versions that must be whole: the one that consumers read, and the one that a rollback goes to."""
    found = {live.version}
    with suppress(NightjarError):  # the log's faults tell of it
        found |= {entry.version for entry in islice(changes.earlier(store, live), 1)}
    return found


@dataclass(frozen=True)
class Look:
    """What is wrong with a version: how it differs from what was published, with what to do, or else strangers in its folder."""

    lost: str | None
    strangers: list[str]

    @property
    def faults(self) -> list[str]:
        return [self.lost] if self.lost else self.strangers


def look(store: Store, version: str) -> Look:
    """Read a version's files.

    Its manifest is held against the SHA-256 that its entry of the log names, else against its own name. Files that it does
    not name are a fault, since engines that are given the folder read them.
    """
    folder = layout.version(version)
    entry = None
    with suppress(NightjarError):  # the log's faults tell of it, and it is none of the version's
        entry = log.newest_of(store, version)
    try:
        tables = versions.verify(store, version, entry.manifest_sha256 if entry else "")["tables"]
    except NightjarError as error:
        return Look(str(error), [])
    named = {f"{folder}/{table}/{file['name']}" for table, told in tables.items() for file in told["files"]}
    beside = set(store.keys(f"{folder}/")) - named - {f"{folder}/{versions.MANIFEST}"}
    return Look(None, [f"{store.uri}/{key} is not of this version: remove it" for key in sorted(beside)])


def _faults_of_manifest(store: Store, entry: Entry) -> Iterator[str]:
    try:
        versions.read_manifest(store, entry.version, entry.manifest_sha256)
    except NightjarError as error:
        yield str(error)
