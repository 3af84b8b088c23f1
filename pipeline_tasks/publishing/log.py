"""The commit log: which version is live, and every one that was. Entries are created once and never change.

Who loses the race for a sequence number reads the newer entry and decides again. After a lost reply the
entry is read back, and whose nonce it holds has won.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Literal
from uuid import uuid4

from pipeline_tasks.errors import NightjarError, NothingToDo
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import AlreadyExists, Missing, Store, StoreError

ATTEMPTS = 20

Action = Literal["publish", "rollback", "release"]


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


@dataclass(frozen=True)
class Change:
    """What somebody wants to append: an entry without its place in the log."""

    version: str
    run_date: str
    manifest_sha256: str
    action: Action
    who: str
    why: str


def newest(store: Store) -> Entry | None:
    """Return the entry that is live, or None where nothing was ever published."""
    keys = _keys(store)
    return _read(store, keys[-1]) if keys else None


def history(store: Store) -> list[Entry]:
    """Return every entry, oldest first."""
    return [_read(store, key) for key in _keys(store)]


def newest_before(store: Store, run_date: date) -> Entry | None:
    """Return the newest entry of a night strictly before `run_date`, or None."""
    entries = (_read(store, key) for key in reversed(_keys(store)))
    return next((entry for entry in entries if date.fromisoformat(entry.run_date) < run_date), None)


def newest_of(store: Store, version: str) -> Entry | None:
    """Return the newest entry that made `version` live, or None where it never was."""
    entries = (_read(store, key) for key in reversed(_keys(store)))
    return next((entry for entry in entries if entry.version == version), None)


def append(store: Store, change: Change, allowed: Callable[[Entry | None], None]) -> Entry:
    """Append `change` and return its entry; `allowed(live)` raises where it may not follow what is live.

    `allowed` is asked again whenever somebody else was first. Raises StoreError when the store fails, or
    when the race was lost too often.
    """
    for _ in range(ATTEMPTS):
        live = newest(store)
        allowed(live)
        sequence = live.sequence + 1 if live else 1
        entry = Entry(sequence=sequence, nonce=uuid4().hex, **asdict(change))
        if _create(store, entry):
            refresh_current(store)
            return entry
    raise StoreError(f"{ATTEMPTS} other writers were first in {store.uri}/{layout.LOG}", "run it again")


def not_backwards(version: str, run_date: date) -> Callable[[Entry | None], None]:
    """Return the rule of a nightly publication: not the version that is live, nor a night before its."""

    def allowed(live: Entry | None) -> None:
        if live and live.version == version:
            raise NothingToDo(f"unchanged: version {version} is live since entry {live.sequence}")
        if live and date.fromisoformat(live.run_date) > run_date:
            raise NothingToDo(f"the newer night {live.run_date} is live, and a night never goes back")

    return allowed


def is_unfinished(store: Store) -> bool:
    """Say whether current.json is behind: whoever made the newest entry died before copying it."""
    live = newest(store)
    return live is not None and _current(store) != live.to_json()


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


def _create(store: Store, entry: Entry) -> bool:
    """Create the entry; say whether it is ours, also when the store's reply was lost or was a retry's."""
    key = layout.log_entry(entry.sequence)
    try:
        store.create(key, entry.to_json())
    except StoreError as error:
        try:
            return _read(store, key).nonce == entry.nonce
        except StoreError:
            # S3 answers "conflict" to some of those who create at the same time, and may have made none
            if isinstance(error, AlreadyExists):
                return False
            raise error from None
    return True


def _keys(store: Store) -> list[str]:
    return [key for key in store.keys(layout.LOG) if key.endswith(".json")]


def _read(store: Store, key: str) -> Entry:
    try:
        return Entry(**json.loads(store.read(key)))
    except (ValueError, TypeError) as error:
        raise NightjarError(
            f"{store.uri}/{key} is no entry of the log: {error}", "see who wrote it"
        ) from error
