"""Can this store be trusted with the commit log? A store in, what it got wrong out; what was written is removed."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

from pipeline_tasks.lake.store import AlreadyExists, Missing, Store, StoreError

WRITERS = 16
ROUNDS = 10


def probe(store: Store, rounds: int = ROUNDS) -> Iterator[tuple[str, str]]:
    """Yield (what was tried, what is wrong) of each trial, the second empty where all is well."""
    folder = f"doctor/{uuid4().hex}"
    trials: dict[str, Callable[[Store, str], str]] = {
        "what was written is read": _read_after_write,
        "what was written is listed": _listing,
        "what is there is not created again": _create_twice,
        f"of {WRITERS} who create at once one wins, {rounds} times": lambda s, f: _race(s, f, rounds),
        "what was deleted is gone": _delete,
    }
    try:
        for name, trial in trials.items():
            try:
                yield name, trial(store, folder)
            except StoreError as error:
                yield name, str(error)
    finally:
        store.delete(store.keys(f"{folder}/"))


def _read_after_write(store: Store, folder: str) -> str:
    for data in (b"one", b"two"):
        store.write(f"{folder}/read", data)
        found = store.read(f"{folder}/read")
        if found != data:
            return f"{found!r} was read after {data!r} was written"
    return ""


def _listing(store: Store, folder: str) -> str:
    written = [f"{folder}/list/{number}" for number in range(5)]
    for key in written:
        store.write(key, b"")
    found = store.keys(f"{folder}/list/")
    return (
        "" if found == written else f"{len(found)} of {len(written)} objects were listed, or in another order"
    )


def _create_twice(store: Store, folder: str) -> str:
    store.create(f"{folder}/once", b"first")
    try:
        store.create(f"{folder}/once", b"second")
    except AlreadyExists:
        return (
            ""
            if store.read(f"{folder}/once") == b"first"
            else "the second who created has replaced the first"
        )
    return "an object was created although it was there: If-None-Match is not honoured"


def _race(store: Store, folder: str, rounds: int) -> str:
    """A store may answer "conflict" to a winner's rivals, or to everybody; that two win is what must not be."""
    for number in range(rounds):
        key, start = f"{folder}/race/{number}", Barrier(WRITERS)

        def create(writer: int, key: str = key, start: Barrier = start) -> bool:
            start.wait()
            try:
                store.create(key, f"{writer}".encode())
            except AlreadyExists:
                return False
            return True

        with ThreadPoolExecutor(WRITERS) as pool:
            won = [writer for writer, first in enumerate(pool.map(create, range(WRITERS))) if first]
        if len(won) > 1:
            return f"{len(won)} of {WRITERS} writers were told that they had created the same object"
        if won and store.read(key) != f"{won[0]}".encode():
            return "the object that was created is not the winner's"
    return ""


def _delete(store: Store, folder: str) -> str:
    store.write(f"{folder}/gone", b"")
    store.delete([f"{folder}/gone"])
    try:
        store.read(f"{folder}/gone")
    except Missing:
        return "" if not store.keys(f"{folder}/gone") else "a deleted object is still listed"
    return "a deleted object is still read"
