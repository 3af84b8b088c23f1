"""The commit log: which version is live, and every one that was. Entries are created once and never change.

Who loses the race for a sequence number reads the newer entry and decides again. After a lost reply the
entry is read back, and whose nonce it holds has won.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from typing import Literal
from uuid import uuid4

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, shapes
from pipeline_tasks.lake.store import Missing, Store, StoreError, create_once

ATTEMPTS = 20
# entries that are read at a time, at most
AT_ONCE = 32

Action = Literal["publish", "rollback", "release"]
# how the reason of a publication begins that somebody forced
FORCED = "forced: "


@dataclass(frozen=True)
class Entry:
    """One line of history: from here on `version` is live."""

    sequence: int
    version: str
    run_date: str
    manifest_sha256: str
    action: Action
    who: str
    why: str
    nonce: str

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True, indent=1, ensure_ascii=False).encode()


# raises where a change may not follow what is live
Rule = Callable[[Entry | None], None]


@dataclass(frozen=True)
class Change:
    """What somebody wants to append: an entry without its place in the log."""

    version: str
    run_date: str
    manifest_sha256: str
    action: Action
    who: str
    why: str


def keys(store: Store) -> list[str]:
    """Return the keys of the log's entries, oldest first."""
    return [key for key in store.keys(layout.LOG) if key.endswith(".json")]


def newest(store: Store) -> Entry | None:
    """Return the entry that is live, or None where nothing was ever published."""
    listed = keys(store)
    return _read(store, listed[-1]) if listed else None


def history(store: Store) -> list[Entry]:
    """Return every entry, oldest first."""
    return entries(store, keys(store))


def entries(store: Store, listed: list[str]) -> list[Entry]:
    """Return the entry of each of these keys of the log."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda key: _read(store, key), listed))


def backwards(store: Store) -> Iterator[Entry]:
    """Yield every entry, newest first; the farther back, the more are read at once."""
    listed = keys(store)[::-1]
    first, size = 0, 1
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while first < len(listed):
            yield from pool.map(lambda key: _read(store, key), listed[first : first + size])
            first, size = first + size, min(2 * size, AT_ONCE)


def newest_before(store: Store, run_date: date) -> Entry | None:
    """Return the newest entry of a night strictly before `run_date`, or None."""
    return next((e for e in backwards(store) if date.fromisoformat(e.run_date) < run_date), None)


def newest_on(store: Store, run_date: date) -> Entry | None:
    """Return the newest entry of the night `run_date`, or None."""
    return next((e for e in backwards(store) if e.run_date == str(run_date)), None)


def newest_of(store: Store, version: str) -> Entry | None:
    """Return the newest entry that made `version` live, or None where it never was."""
    return next((entry for entry in backwards(store) if entry.version == version), None)


def append(store: Store, change: Change, allowed: Rule) -> Entry:
    """Append `change` and return its entry; `allowed(live)` raises where it may not follow what is live.

    `allowed` is asked again whenever somebody else was first. Raises StoreError when the store fails, or
    when the race was lost too often, and Refused where the newest entry is lost.
    """
    _refuse_lost(store)
    for _ in range(ATTEMPTS):
        live = newest(store)
        allowed(live)
        sequence = live.sequence + 1 if live else 1
        entry = Entry(sequence=sequence, nonce=uuid4().hex, **asdict(change))
        if create_once(store, layout.log_entry(sequence), entry.to_json()):
            _copy(store, entry)
            return entry
    raise StoreError(f"{ATTEMPTS} other writers were first in {store.uri}/{layout.LOG}", "run it again")


def _copy(store: Store, entry: Entry) -> None:
    """Copy the entry that was just made; raises StoreError, which says that it is live, where that fails."""
    try:
        refresh_current(store)
    except StoreError as error:
        try:
            if _current(store) == entry.to_json():
                return
        except StoreError:
            pass
        raise StoreError(
            f"{entry.version} is live, entry {entry.sequence} of the log, but {layout.CURRENT} could not be made its copy: "
            f"{error.reason}",
            "the next publish, release or rollback copies it; see `versions` before one is said again",
        ) from error


def is_unfinished(store: Store) -> bool:
    """Say whether current.json is behind: whoever made the newest entry died before copying it."""
    live = newest(store)
    return live is not None and _current(store) != live.to_json()


def finish(store: Store) -> Entry | None:
    """Copy the newest entry where whoever made it died before that; return it then, else None.

    Raises Refused where current.json is the only copy of an entry.
    """
    _refuse_lost(store)
    live = newest(store)
    if live is None or _current(store) == live.to_json():
        return None
    refresh_current(store)
    return live


def lost(store: Store) -> Entry | None:
    """Return the entry that the log has lost and current.json is a copy of, or None; an empty log begins anew.

    An entry is made before it is copied: one that is listed after its copy was read was never missing.
    """
    try:
        copied = shapes.parsed(Entry, _current(store) or b"")
    except ValueError:
        return None
    listed = keys(store)
    if not listed or layout.log_entry(copied.sequence) in listed:
        return None
    # a copy of which only the number was altered
    return None if _read(store, listed[-1]).nonce == copied.nonce else copied


def of_lost(store: Store, entry: Entry) -> Refused:
    """Return what to say of an entry that is `lost`."""
    return Refused(
        f"entry {entry.sequence} of the log is lost, and {store.uri}/{layout.CURRENT} is its only copy",
        f"copy that to {store.uri}/{layout.log_entry(entry.sequence)}; where the entry is not to be, remove the copy",
    )


def _refuse_lost(store: Store) -> None:
    entry = lost(store)
    if entry:
        raise of_lost(store, entry)


def refresh_current(store: Store) -> None:
    """Make current.json the copy of the newest entry, also when another writer appends meanwhile."""
    written = None
    while (live := newest(store)) is not None and live != written:
        if _current(store) != live.to_json():
            store.write(layout.CURRENT, live.to_json())
        written = live


def _current(store: Store) -> bytes | None:
    try:
        return store.read(layout.CURRENT)
    except Missing:
        return None


def _read(store: Store, key: str) -> Entry:
    """Return an entry; raises Refused for what is none, since entries are created whole."""
    try:
        return _entry(store.read(key), key)
    except ValueError as error:
        raise Refused(
            f"{store.uri}/{key} is no entry of the log: {error}",
            f"put it back from a copy of the lake ({layout.CURRENT} is one of the newest entry); without one remove it, "
            "and the entries beside it hold",
        ) from error


def _entry(data: bytes, key: str) -> Entry:
    entry = shapes.parsed(Entry, data)
    if layout.log_entry(entry.sequence) != key:
        raise ValueError(f"it says that it is entry {entry.sequence}")
    if not layout.date_of(entry.run_date) or not entry.version.startswith(f"{entry.run_date}-"):
        raise ValueError(f"its night is {entry.run_date!r}, and its version {entry.version!r}")
    return entry
