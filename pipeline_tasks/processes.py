"""Processes of this machine: begun with an end that is sure, found by an ancestor or a session, and ended."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from pipeline_tasks.interruption import hearing, leave

POLL_SECONDS = 0.05
DEAD = "ZX"
Process = subprocess.Popen[bytes]


class _Of(NamedTuple):
    parent: int
    session: int


def descendants(*ancestors: int) -> set[int]:
    """Return the ids of the living descendants of processes; none where there is no /proc."""
    living = _living()
    found = set(ancestors)
    while True:
        grown = found | {pid for pid, of in living.items() if of.parent in found}
        if grown == found:
            return found - set(ancestors)
        found = grown


def of_session(leader: int) -> set[int]:
    """Return the ids of the living processes of a session, and of their descendants in sessions of their own."""
    members = {pid for pid, of in _living().items() if of.session == leader}
    return members | descendants(*members)


def end(pids: set[int], seconds: float) -> None:
    """Ask processes to end, and kill those that are there after so many seconds."""
    _send(signal.SIGTERM, pids)
    until = time.monotonic() + seconds
    while (pids := pids & _living().keys()) and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    _send(signal.SIGKILL, pids)


@contextmanager
def started(start: Callable[[], Process], finish: Callable[[Process], None]) -> Iterator[Process]:
    """Yield the process that `start` begins; `finish` is called with it at the context's end, and hears no signal meanwhile.

    A signal that ends this process ends the context: raises KeyboardInterrupt for Ctrl-C, else SystemExit.
    """
    process: Process | None = None
    came: list[int] = []
    with hearing(leave):
        try:
            # raised while it starts, nobody would know of it
            with hearing(lambda number, frame: came.append(number)):
                process = start()
            if came:
                leave(came[0])
            yield process
        finally:
            if process:
                with hearing(signal.SIG_IGN):
                    finish(process)


def _send(number: signal.Signals, pids: set[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _living() -> dict[int, _Of]:
    """Return each process's parent and session by its id; one that has ended and is not waited for yet is none."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # the command's name, in brackets, may hold anything; the fields after it do not
            state, parent, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if state not in DEAD:
            found[int(folder.name)] = _Of(int(parent), int(session))
    return found
