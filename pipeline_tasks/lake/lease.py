"""Leases: one writer at a time, wherever it runs. A store and a name in; a lease that others wait for out.

Built on what every store here keeps, create-if-absent and writes to an object of one's own: `leases/<name>/<n>.json`,
of which the highest n is the lease. Its holder writes it anew every now and then. Who waits takes the next number once
it is given back, or once it has not changed for as long as the holder said, by the waiter's own monotonic clock: nobody
compares clocks with anybody, so one that jumps or is wrong does no harm. Numbers only rise, and the highest is never
removed.

A holder that was paused for that long has lost the lease without knowing: `require` asks the store, and raises. Between
that answer and the next write lies an instant that no store of this kind can close; what is written there is whole by
itself (a table, an entry of the log), and of a removal it is one night of a plan.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, Protocol
from uuid import uuid4

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.claims import Claim, claim_of, expires, is_free
from pipeline_tasks.lake.store import Missing, Store, StoreError, create_once

Name = Literal["nights", "versions"]
# a holder gives so many signs of life in the time after which it would be taken for dead
SIGNS = 6
# a sign is a listing and a write, and each is given up after half of the time from sign to sign, but not before this
LEAST_REQUEST_SECONDS = 1.0
POLL_SECONDS = 1.0


class Terms(Protocol):
    """How long to wait for a lease, and after how long without a sign of life this process is to count as dead."""

    @property
    def expires_seconds(self) -> float: ...
    def wait_for(self, name: Name, /) -> float: ...


class Held(NightjarError):
    """Another writer holds the lease, and has not given it back in time; a retry may find it free."""


class Lost(NightjarError):
    """Another writer has taken the lease over: this one gave no sign for too long."""


@dataclass
class Lease:
    """A lease that this process holds. Its number may have been overtaken: `require` tells."""

    store: Store
    name: Name
    number: int
    claim: Claim
    _given_back: threading.Event = field(default_factory=threading.Event)

    def require(self, by: Store | None = None) -> None:
        """Raise Lost where another writer has taken the lease over; `by` is the store to ask, else the lease's."""
        newest = _newest(by or self.store, self.name)
        if newest != self.number:
            raise Lost(
                f"the lease {self.name!r} of {self.store.uri} was lost: this process gave no sign of life for too long, "
                f"and another has taken over{_by_whom(self.store, self.name, newest)}",
                "run it again",
            )

    def beat_every(self, seconds: float, by: Store, lost: Callable[[Lost], None]) -> None:
        """Give signs of life until the lease is given back, or is another's; `by`, where it fails, is asked again.

        `lost` is told once it is another's.
        """
        while not self._given_back.wait(seconds):
            try:
                self.require(by)
                self.claim = replace(self.claim, beat=self.claim.beat + 1)
                by.write(layout.lease(self.name, self.number), self.claim.to_json())
            except Lost as error:
                lost(error)
                return
            except NightjarError as error:
                print(f"no sign of life for the lease {self.name!r}: {error}", file=sys.stderr, flush=True)

    def give_back(self) -> None:
        """Say that the lease is free, unless it is another's by now."""
        try:
            self.require()
            self.store.write(
                layout.lease(self.name, self.number), replace(self.claim, released=True).to_json()
            )
        except NightjarError as error:
            print(f"the lease {self.name!r} was not given back: {error}", file=sys.stderr, flush=True)


@contextmanager
def hold(
    store: Store, name: Name, terms: Terms, what: str, lost: Callable[[Lost], None] = lambda error: None
) -> Iterator[Lease]:
    """Hold the lease `name` meanwhile; `what` says to others what it is held for.

    `lost` is called by another thread, as soon as that finds the lease taken over. Raises Held where another writer
    does not give it back in time, and StoreError.
    """
    seconds = terms.expires_seconds / SIGNS
    by = store.impatient(max(seconds / 2, LEAST_REQUEST_SECONDS))
    lease = take(store, name, terms, what)
    beating = threading.Thread(
        target=lease.beat_every, args=(seconds, by, lost), name=f"lease-{name}", daemon=True
    )
    beating.start()
    try:
        yield lease
    finally:
        lease._given_back.set()
        beating.join()
        lease.give_back()


def take(store: Store, name: Name, terms: Terms, what: str) -> Lease:
    """Return the lease once it is this process's; `hold` also keeps it, and gives it back."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    claim = Claim(what, socket.gethostname(), os.getpid(), since, terms.expires_seconds, uuid4().hex)
    begun, watched, patience = time.monotonic(), _Watched(), terms.wait_for(name)
    while True:
        asked = time.monotonic()
        number, found = _look(store, name)
        if (
            found is None
            or is_free(found)
            or (
                watched.seconds_unchanged(found, asked) >= expires(found, terms.expires_seconds)
                and _look(store, name) == (number, found)
            )
        ):
            lease = Lease(store, name, number + 1, claim)
            if create_once(store, layout.lease(name, number + 1), claim.to_json()) and _is_newest(lease):
                _tidy(lease)
                return lease
            continue
        waited = time.monotonic() - begun
        if waited >= patience:
            raise Held(
                f"{store.uri} is being written to: the lease {name!r} is held by {claim_of(found)}; "
                f"waited {waited:.0f} s",
                "try again when it has ended; settings of lease say how long to wait",
            )
        watched.tell(name, found, expires(found, terms.expires_seconds))
        time.sleep(min(POLL_SECONDS, terms.expires_seconds / 10, patience / 10))


class _Watched:
    """What a waiter has seen of the holder's object, by the waiter's own monotonic clock."""

    def __init__(self) -> None:
        self._seen: bytes | None = None
        self._at = 0.0
        self._told = False

    def seconds_unchanged(self, found: bytes, asked: float) -> float:
        """Return for how long the object has at least been as it was found, when the store was asked for it at `asked`.

        From the end of the reply that first showed it, to the beginning of the last request that did: however late a
        reply comes, its way is not counted.
        """
        if found != self._seen:
            self._seen, self._at = found, time.monotonic()
        return asked - self._at

    def tell(self, name: Name, found: bytes, expires_seconds: float) -> None:
        """Say once that and for whom this process waits."""
        if not self._told:
            print(
                f"waiting for the lease {name!r}, held by {claim_of(found)}; "
                f"if it is dead, its lease is free in {expires_seconds:g} s",
                file=sys.stderr,
                flush=True,
            )
        self._told = True


def _look(store: Store, name: Name) -> tuple[int, bytes | None]:
    """Return the lease's highest number and its object; 0 and None where nobody ever held it."""
    while True:
        number = _newest(store, name)
        if not number:
            return 0, None
        try:
            return number, store.read(layout.lease(name, number))
        except Missing:  # it was overtaken twice since it was listed
            continue


def _newest(store: Store, name: Name) -> int:
    keys = [key for key in store.keys(layout.leases(name)) if key.endswith(".json")]
    return int(keys[-1].rpartition("/")[2][:-5]) if keys else 0


def _is_newest(lease: Lease) -> bool:
    """Say whether the number is still the highest: one that others have passed, and removed, can be created anew."""
    return _newest(lease.store, lease.name) == lease.number


def _by_whom(store: Store, name: Name, number: int) -> str:
    try:
        return f": {claim_of(store.read(layout.lease(name, number)))}"
    except StoreError:
        return ""


def _tidy(lease: Lease) -> None:
    """Remove the numbers before the lease's own; where the store fails at it, the next holder does."""
    own = layout.lease(lease.name, lease.number)
    with suppress(StoreError):
        old = [key for key in lease.store.keys(layout.leases(lease.name)) if key < own]
        if old:
            lease.store.delete(old)
