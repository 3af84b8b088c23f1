"""Many publishers at once: a lake's URI in, what must not be out. Each round has one winner, and the others know.

The publishers are threads of a few processes, each with a store of its own; before each round all wait for all.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from pipeline_tasks.errors import NightjarError, NothingToDo
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.lake.store import open_store
from pipeline_tasks.publishing import log
from pipeline_tasks.publishing.log import Change, Entry

SPAWN = multiprocessing.get_context("spawn")
THREADS = 8
WAIT_SECONDS = 300


@dataclass(frozen=True)
class Tried:
    """What a publisher was told in a round: the nonce of its entry, "" where it lost; or an error."""

    round: int
    publisher: int
    nonce: str
    error: str = ""


def race(uri: str, publishers: int, rounds: int, *, careless: bool = False) -> list[str]:
    """Let `publishers` (a multiple of 8, or fewer) race for each of `rounds` entries; return what is wrong.

    With `careless` the publishers' local store honours no condition.
    """
    threads = min(THREADS, publishers)
    processes = publishers // threads
    barrier = SPAWN.Barrier(processes * threads)
    begun = []
    for number in range(processes):
        ours, theirs = SPAWN.Pipe(duplex=False)
        first = number * threads
        told = (uri, range(first, first + threads), rounds, barrier, careless, theirs)
        process = SPAWN.Process(target=_publish, args=told)
        process.start()
        theirs.close()
        begun.append((process, ours))
    tried = [each for _, ours in begun for each in _received(ours)]
    for process, _ in begun:
        process.join()
    return list(judged(tried, log.history(open_store(uri)), processes * threads, rounds))


def judged(tried: Sequence[Tried], history: Sequence[Entry], publishers: int, rounds: int) -> Iterator[str]:
    """Yield what must not be: a round without its one winner, a winner that is not in the log, a gap."""
    if [entry.sequence for entry in history] != list(range(1, rounds + 1)):
        yield f"the log has {len(history)} entries after {rounds} rounds, or gaps"
    held = {entry.sequence: entry.nonce for entry in history}
    for number in range(1, rounds + 1):
        told = [each for each in tried if each.round == number]
        won = [each for each in told if each.nonce]
        yield from (
            f"round {number}: publisher {each.publisher}: {each.error}" for each in told if each.error
        )
        if len(told) != publishers:
            yield f"round {number}: {len(told)} of {publishers} publishers came back"
        if len(won) != 1:
            yield f"round {number}: {len(won)} publishers were told that they had won"
        for each in won:
            if each.nonce != held.get(number):
                yield f"round {number}: publisher {each.publisher} won, and the log has another's entry"


def _received(told: Connection) -> list[Tried]:
    try:
        found: list[Tried] = told.recv()
    except EOFError:
        return []
    return found


def _publish(
    uri: str, publishers: range, rounds: int, barrier: Any, careless: bool, told: Connection
) -> None:
    if careless:
        LocalStore.create = LocalStore.write  # type: ignore[method-assign]

    def one(publisher: int) -> list[Tried]:
        store = open_store(uri)
        found = []
        for number in range(1, rounds + 1):
            barrier.wait(WAIT_SECONDS)
            found.append(_round(store, publisher, number))
        return found

    with ThreadPoolExecutor(len(publishers)) as pool:
        told.send([each for found in pool.map(one, publishers) for each in found])


def _round(store: Any, publisher: int, number: int) -> Tried:
    def allowed(live: Entry | None) -> None:
        if live and live.sequence >= number:
            raise NothingToDo("somebody else was first")

    who = f"publisher {publisher} of process {os.getpid()}"
    change = Change(f"2026-01-10-{number}", "2026-01-10", "f" * 64, "publish", who, "a race")
    try:
        return Tried(number, publisher, log.append(store, change, allowed).nonce)
    except NothingToDo:
        return Tried(number, publisher, "")
    except NightjarError as error:
        return Tried(number, publisher, "", str(error))
