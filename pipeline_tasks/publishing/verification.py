"""Is what is stored what was published? A version's files against its manifest, and the log's continuity."""

from collections.abc import Iterator

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log, versions


def faults_of_log(store: Store) -> Iterator[str]:
    """Yield what is wrong with the log: numbers that are missing, entries that are none, or of versions that changed; or all gone.

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
        if entry == history[-1] or store.exists(f"{layout.version(entry.version)}/{versions.MANIFEST}"):
            yield from _faults(store, entry.version, entry.manifest_sha256, files=False)
    if history and log.is_unfinished(store):
        yield f"{store.uri}/{layout.CURRENT} is not the newest entry: readers that do not list see an older one"


def faults_of_version(store: Store, version: str) -> Iterator[str]:
    """Yield what is wrong with a version: by the entry that names its manifest's SHA-256, else by its own name."""
    entry = log.newest_of(store, version)
    yield from _faults(store, version, entry.manifest_sha256 if entry else "", files=True)


def _faults(store: Store, version: str, sha256: str, *, files: bool) -> Iterator[str]:
    try:
        if files:
            versions.verify(store, version, sha256)
        else:
            versions.read_manifest(store, version, sha256)
    except NightjarError as error:
        yield error.reason
