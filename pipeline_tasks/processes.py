"""Processes of this machine: an id in, its living descendants out, and an end to them."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

POLL_SECONDS = 0.05
DEAD = "ZX"


def descendants(ancestor: int) -> set[int]:
    """Return the ids of the living descendants of a process; none where there is no /proc."""
    parents = dict(_living())
    found = {ancestor}
    while True:
        grown = found | {pid for pid, parent in parents.items() if parent in found}
        if grown == found:
            return found - {ancestor}
        found = grown


def end(pids: set[int], seconds: float) -> None:
    """Ask processes to end, and kill those that are there after so many seconds."""
    _send(signal.SIGTERM, pids)
    until = time.monotonic() + seconds
    while (pids := pids & dict(_living()).keys()) and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    _send(signal.SIGKILL, pids)


def _send(number: signal.Signals, pids: set[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _living() -> Iterator[tuple[int, int]]:
    """Yield each process's id and its parent's; one that has ended and is not waited for yet is none."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # the command's name, in brackets, may hold anything; the fields after it do not
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state not in DEAD:
            yield int(folder.name), int(parent)
