"""The processes of a world: one that acts and may die, one that reads, and the proxies between them and S3.

They are forks of a process without threads that has imported what they need, so that a world takes no second.
"""

import datetime as datetime_module
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import StringIO
from multiprocessing.connection import Connection
from typing import Any, Literal

import pyarrow.dataset  # noqa: F401 - what readers import late is there before a fork

from pipeline_tasks.errors import NightjarError, NothingToDo, Refused
from tests.faults.killing import Death, arm
from tests.faults.polling import Poller, Seen
from tests.faults.proxy import Draw, Proxy

FORK = multiprocessing.get_context("fork")
JUMP_DAYS = 20
PAUSE_SECONDS = 0.02
NO_DEATH = Death()

Ending = Literal["done", "nothing", "refused", "failed", "wrong", "killed"]


@dataclass(frozen=True)
class Tried:
    """How an attempt ended, in how many seconds, and the steps that it made (where it could still say so)."""

    ending: Ending
    said: str = ""
    seconds: float = 0.0
    steps: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Harm:
    """What befalls the acting process: a death at a step, or after some seconds; a disk that fills; a clock."""

    death: Death = NO_DEATH
    after_seconds: float | None = None
    full_from: int = 0
    clock: str = ""


class Attempt:
    """`do()` in a process of its own, which begins at once; `who` is the Airflow run that it takes itself for."""

    def __init__(self, do: Callable[[], object], endpoint: str, harm: Harm, who: str = "") -> None:
        self._told, theirs = FORK.Pipe(duplex=False)
        self._harm = harm
        self._process = FORK.Process(target=_act, args=(do, endpoint, harm, who, theirs))
        self._process.start()
        theirs.close()

    def end(self) -> Tried:
        """Kill it when its time has come, and wait for its end."""
        process, after = self._process, self._harm.after_seconds
        assert process.pid
        try:
            self._told.recv()  # ready
            if after is not None and not self._told.poll(after):
                os.kill(process.pid, signal.SIGKILL)
            tried: Tried = self._told.recv()
        except EOFError:
            tried = Tried("killed")
        process.join()
        if tried.ending == "killed" and process.exitcode != -signal.SIGKILL:
            return Tried("wrong", f"it ended with {process.exitcode}")
        return tried


def _act(do: Callable[[], object], endpoint: str, harm: Harm, who: str, told: Connection) -> None:
    sys.stderr = StringIO()  # who waits for a lease says so
    steps = arm(harm.death, harm.full_from)
    if harm.clock:
        let_the_clock_jump(harm.clock)
    _use(endpoint)
    if who:
        _, os.environ["AIRFLOW_CTX_DAG_ID"], os.environ["AIRFLOW_CTX_DAG_RUN_ID"] = who.split()
    told.send("ready")
    begun = time.perf_counter()
    ending, said = _outcome(do)
    told.send(Tried(ending, said, time.perf_counter() - begun, steps))


def _outcome(do: Callable[[], object]) -> tuple[Ending, str]:
    try:
        do()
    except NothingToDo as error:
        return "nothing", str(error)
    except Refused as error:
        return "refused", str(error)
    except NightjarError as error:
        return "failed", str(error)
    except Exception:
        return "wrong", traceback.format_exc()
    return "done", ""


def _use(endpoint: str) -> None:
    if endpoint:
        os.environ["AWS_ENDPOINT_URL_S3"] = endpoint


@contextmanager
def polled(uri: str, endpoint: str) -> Iterator[Seen]:
    """Read the lake all the while, from before the block until after it; what was seen is there at its end."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_poll, args=(uri, endpoint, theirs))
    process.start()
    theirs.close()
    seen = Seen()
    try:
        ours.recv()  # it has read once
        yield seen
    finally:
        with suppress(EOFError, BrokenPipeError):
            ours.send("stop")
            found: Seen = ours.recv()
            seen.reads, seen.said, seen.wrong = found.reads, found.said, found.wrong
        process.join()
    if process.exitcode:
        seen.wrong.append(f"a reader ended with {process.exitcode}")


def _poll(uri: str, endpoint: str, told: Connection) -> None:
    _use(endpoint)
    poller = Poller(uri)
    poller.poll()
    told.send("reading")
    while not told.poll(PAUSE_SECONDS):
        poller.poll()
    poller.poll()
    told.send(poller.seen)


@contextmanager
def proxies(upstream: str, draws: dict[str, Draw]) -> Iterator[tuple[dict[str, str], Counter[str]]]:
    """Give the address of a proxy for each role, all in one process; the faults are counted at the end."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_serve, args=(upstream, draws, theirs))
    process.start()
    theirs.close()
    seen: Counter[str] = Counter()
    try:
        yield ours.recv(), seen
    finally:
        ours.send("stop")
        seen.update(ours.recv())
        process.join()


def _serve(upstream: str, draws: dict[str, Draw], told: Connection) -> None:
    lock = threading.Lock()
    served = {role: Proxy(upstream, draw, one_create=lock) for role, draw in draws.items()}
    for proxy in served.values():
        threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True).start()
    told.send({role: proxy.url for role, proxy in served.items()})
    told.recv()
    told.send(sum((proxy.seen for proxy in served.values()), Counter()))


def let_the_clock_jump(seed: str) -> None:
    """From now on every look at the clock of this process is up to some weeks off, forwards or backwards."""
    chance, now = random.Random(seed), time.time

    def off() -> float:
        return chance.uniform(-JUMP_DAYS, JUMP_DAYS) * 86_400

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return super().now(tz) + timedelta(seconds=off())

        @classmethod
        def utcnow(cls) -> Any:
            return cls.now(datetime_module.UTC).replace(tzinfo=None)

    time.time = lambda: now() + off()
    datetime_module.datetime = Jumping  # type: ignore[misc]
    for module in list(sys.modules.values()):
        if vars(module).get("datetime") is datetime:
            module.datetime = Jumping  # type: ignore[attr-defined]
