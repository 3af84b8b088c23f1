"""Is what is stored what was published? A version's files against its manifest, and the log's continuity."""

from collections.abc import Iterator
from contextlib import suppress
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
        yield f"{store.uri}/{key} is missing: the log has entries after it"
    try:
        history = log.entries(store, keys)
    except NightjarError as error:
        yield str(error)
        return
    for key, entry in zip(keys, history, strict=True):
        if layout.log_entry(entry.sequence) != key:
            yield f"{store.uri}/{key} says that it is entry {entry.sequence}"
    for entry in {entry.version: entry for entry in history}.values():
        if entry == history[-1] or versions.is_whole(store, entry.version):
            yield from _faults_of_manifest(store, entry)
    if history and log.is_unfinished(store):
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


def faults_of_version(store: Store, version: str) -> Iterator[str]:
    """Yield what is wrong with a version: what it is not any more, else what lies in its folder and is not of it."""
    lost = difference(store, version)
    if lost:
        yield lost
    else:
        yield from strangers(store, version)


def difference(store: Store, version: str) -> str | None:
    """Return how a version differs from what was published, None where it does not.

    Its manifest is held against the SHA-256 that its entry of the log names, else against its own name.
    """
    try:
        entry = log.newest_of(store, version)
        versions.verify(store, version, entry.manifest_sha256 if entry else "")
    except NightjarError as error:
        return error.reason
    return None


def strangers(store: Store, version: str) -> Iterator[str]:
    """Yield the files in a version's folder that its manifest does not name: engines that are given the folder read them.

    Raises Refused for a version without a manifest.
    """
    folder = layout.version(version)
    tables = versions.read_manifest(store, version)["tables"]
    named = {f"{folder}/{table}/{file['name']}" for table, told in tables.items() for file in told["files"]}
    for key in store.keys(f"{folder}/"):
        if key not in named and key != f"{folder}/{versions.MANIFEST}":
            yield f"{store.uri}/{key} is not of this version: remove it"


def _faults_of_manifest(store: Store, entry: Entry) -> Iterator[str]:
    try:
        versions.read_manifest(store, entry.version, entry.manifest_sha256)
    except NightjarError as error:
        yield error.reason
