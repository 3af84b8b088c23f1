"""The end of a process at a chosen step: the stores' methods are counted, and the chosen one is the last.

To be used in a process of its own: the stores' classes are changed for good.
"""

import os
import resource
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline_tasks.lake import local
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.lake.s3 import S3Store

CHANGES = ("write", "create", "upload", "delete")
STEPS = (*CHANGES, "read", "read_range", "open", "exists", "keys", "sizes", "folders", "download")

When = Literal["before", "halfway", "after", "never"]


@dataclass(frozen=True)
class Death:
    """The process ends at its `at`-th step (from 1) of `steps`; "never" only counts them.

    Halfway is with a part of the new object on a local disk, or of the keys deleted; elsewhere it is before.
    """

    when: When = "never"
    at: int = 0
    steps: tuple[str, ...] = STEPS


def die() -> None:
    """End this process as the kernel does that has run out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def arm(death: Death, full_from: int = 0) -> Counter[str]:
    """Let this process die so; return its counts of steps, which go on.

    From its `full_from`-th change (from 1; 0 is never) the disk takes a few more bytes of a file and then refuses.
    """
    seen: Counter[str] = Counter()
    for kind in (LocalStore, S3Store):
        for verb in STEPS:
            setattr(kind, verb, _counted(getattr(kind, verb), verb, death, full_from, seen))
    return seen


def _counted(
    method: Callable[..., Any], verb: str, death: Death, full_from: int, seen: Counter[str]
) -> Callable[..., Any]:
    def step(store: Any, *arguments: Any) -> Any:
        seen[verb] += 1
        if verb in CHANGES and full_from and sum(seen[each] for each in CHANGES) >= full_from:
            resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
        due = verb in death.steps and sum(seen[each] for each in death.steps) == death.at
        if due and death.when == "halfway":
            _die_within(method, store, verb, arguments)
        if due and death.when == "before":
            die()
        found = method(store, *arguments)
        if due and death.when == "after":
            die()
        return found

    return step


def _die_within(method: Callable[..., Any], store: Any, verb: str, arguments: Any) -> None:
    if verb == "delete":
        method(store, arguments[0][: len(arguments[0]) // 2])
    elif verb in CHANGES and isinstance(store, LocalStore):
        local._flush = _truncate  # type: ignore[attr-defined]
        method(store, *arguments)
    die()


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)
    die()
