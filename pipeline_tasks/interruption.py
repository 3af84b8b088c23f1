"""Work of the main thread in, what it returns out; another thread may end it at once, with an error of its choice.

So may a signal that asks the process to end, where `leave` handles it.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

# Spark and torchrun put handlers of their own in the place of SIGINT's; this signal is nobody else's
SIGNAL = signal.SIGUSR1
# what asks a process to end: Airflow, a container's engine, a closed terminal
ASKING = (signal.SIGTERM, signal.SIGHUP)
# what ends one that a person runs in a terminal
ENDING = (signal.SIGINT, *ASKING, signal.SIGQUIT)
# a signal that was sent is handled as soon as the main thread runs Python again
HEARD_SECONDS = 5.0

T = TypeVar("T")
Handler = Callable[[int, FrameType | None], Any] | signal.Handlers


def leave(number: int, frame: FrameType | None = None) -> NoReturn:
    """Handle a signal that asks this process to end: what it holds is given back on the way out.

    Raises KeyboardInterrupt for Ctrl-C, else SystemExit (128 and the signal's number).
    """
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


@contextmanager
def hearing(heard: Handler) -> Iterator[None]:
    """Let `heard` handle signals that end this process meanwhile; those that are ignored, as nohup does, stay so."""
    before = {number: signal.getsignal(number) for number in ENDING}
    for number in ENDING:
        if before[number] != signal.SIG_IGN:
            signal.signal(number, heard)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interrupted(BaseException):
    """Ends what the main thread is at; no `except Exception` on its way takes it for a failure of something else."""


class Interruption:
    """What `run` is at ends with the error that `end` is given. Outside `run` nothing is ever interrupted.

    Native code comes back to Python first. Work in another thread than the main one goes on to its end: Python handles
    signals in the main one alone.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = False
        self._error: BaseException | None = None
        self._sent = False
        self._heard = threading.Event()

    def end(self, error: Exception) -> None:
        """End the work with `error`, at once or as it begins; work that has ended stays as it is."""
        with self._lock:
            self._error = error
            if self._running:
                self._sent = True
                signal.pthread_kill(threading.main_thread().ident or 0, SIGNAL)

    def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; raises what it raises, and what `end` was given."""
        if threading.current_thread() is not threading.main_thread():
            return work()
        before = {SIGNAL: signal.signal(SIGNAL, self._hear)}
        for number in ASKING:
            if signal.getsignal(number) is leave:
                before[number] = signal.signal(number, self._asked)
        try:
            try:
                self._begin()
                return work()
            finally:  # from here on the handler raises nothing
                self._running = False
        except (Interrupted, Exception) as error:
            # what is tidied up on the way may fail, as Spark's stop does
            if self._error and self._heard.is_set():
                raise self._error from error
            raise
        finally:
            self._settle()
            for each, handler in before.items():
                signal.signal(each, handler)

    def _begin(self) -> None:
        with self._lock:
            self._running = True
        if self._error:
            raise self._error

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._heard.set()
        if self._running:
            raise Interrupted

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self._error = SystemExit(128 + number)
        self._hear(number, frame)
        leave(number)

    def _settle(self) -> None:
        """Wait for a signal that was sent as the work ended: after this its handler is another's."""
        with self._lock:
            sent = self._sent
        if sent:
            self._heard.wait(HEARD_SECONDS)
