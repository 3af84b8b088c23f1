"""The main thread's work ends at once when another thread says so, and nothing else is interrupted."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.interruption import SIGNAL, Interruption, leave

LOST = NightjarError("the lease was lost")
SOON = 0.05


def later(seconds: float, interruption: Interruption) -> threading.Timer:
    timer = threading.Timer(seconds, interruption.end, [LOST])
    timer.start()
    return timer


def deaf_to_failures() -> None:
    """Work that goes on whatever fails in it."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with suppress(Exception):
            time.sleep(20)
    raise AssertionError("it was not interrupted")


def untidy() -> None:
    """Work that also fails as it is left."""
    try:
        deaf_to_failures()
    finally:
        raise ZeroDivisionError


@pytest.mark.parametrize("work", [deaf_to_failures, untidy])
def test_work_is_ended_with_the_error_whatever_fails_in_it_or_as_it_is_left(
    work: Callable[[], None],
) -> None:
    interruption = Interruption()
    timer = later(SOON, interruption)
    with pytest.raises(NightjarError) as raised:
        interruption.run(work)
    timer.join()
    assert raised.value is LOST


@pytest.fixture
def leaving() -> Iterator[None]:
    """A process that leaves when it is asked to end, as the command line does."""
    before = signal.signal(signal.SIGTERM, leave)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("leaving")
@pytest.mark.parametrize("work", [deaf_to_failures, untidy])
def test_a_process_that_is_asked_to_end_does_so_whatever_fails_in_its_work_or_as_it_is_left(
    work: Callable[[], None],
) -> None:
    timer = threading.Timer(SOON, signal.raise_signal, [signal.SIGTERM])
    timer.start()
    with pytest.raises(SystemExit) as raised:
        Interruption().run(work)
    timer.join()
    assert raised.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is leave


def test_work_that_had_not_begun_does_not() -> None:
    interruption = Interruption()
    interruption.end(LOST)
    with pytest.raises(NightjarError, match="was lost"):
        interruption.run(lambda: pytest.fail("it began"))


def test_work_that_has_ended_stays_as_it_is() -> None:
    before, interruption = signal.getsignal(SIGNAL), Interruption()
    assert interruption.run(lambda: 3) == 3
    interruption.end(LOST)
    time.sleep(SOON)
    assert signal.getsignal(SIGNAL) == before


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_threads")
def test_work_that_ends_at_that_very_moment_ends_either_way_and_nothing_comes_after_it() -> None:
    before, outcomes = signal.getsignal(SIGNAL), set()
    for steps in range(0, 3000, 3):
        interruption, ending = Interruption(), threading.Event()
        other = threading.Thread(target=lambda i=interruption, e=ending: e.wait() and i.end(LOST))
        other.start()

        def work(ending: threading.Event = ending, steps: int = steps) -> str:
            ending.set()
            for _ in range(steps):
                pass
            return "done"

        try:
            outcomes.add(interruption.run(work))
        except NightjarError as error:
            outcomes.add(str(error))
        other.join()
    assert outcomes <= {"done", str(LOST)}
    assert signal.getsignal(SIGNAL) == before


def test_somebody_who_presses_control_c_is_heard_as_ever() -> None:
    with pytest.raises(KeyboardInterrupt):
        Interruption().run(lambda: signal.raise_signal(signal.SIGINT))


def test_work_in_another_thread_goes_on_to_its_end() -> None:
    interruption = Interruption()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(interruption.run, lambda: time.sleep(4 * SOON) or "done")
        time.sleep(SOON)
        interruption.end(LOST)
        assert working.result() == "done"
