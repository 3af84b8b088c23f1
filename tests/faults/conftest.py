"""What tests of faults share: the lakes that worlds begin from, and processes in which worlds happen."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import pytest

from tests.faults import worlds
from tests.faults.lakes import Origin, origin
from tests.faults.worlds import Outcome, World

# a world mostly waits, for readers and for leases of the dead
AT_ONCE = 3


@pytest.fixture(scope="session")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> Origin:
    return origin(tmp_path_factory.mktemp("origin"))


@pytest.fixture(scope="module")
def begin(beginning: Origin) -> Iterator[Callable[..., "Future[Outcome]"]]:
    """Return a function that lets a world happen, in a process without threads, and gives its outcome to come."""
    with ProcessPoolExecutor(AT_ONCE, multiprocessing.get_context("spawn")) as pool:

        def begin(world: World, endpoint: str = "") -> "Future[Outcome]":
            return pool.submit(worlds.run, world, beginning, endpoint)

        yield begin
