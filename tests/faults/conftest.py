"""What tests of faults share: the lakes that worlds begin from, and a process that runs worlds."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.faults import worlds
from tests.faults.lakes import Origin, origin
from tests.faults.worlds import Outcome


@pytest.fixture(scope="session")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> Origin:
    return origin(tmp_path_factory.mktemp("origin"))


@pytest.fixture(scope="session")
def other_process() -> Iterator[ProcessPoolExecutor]:
    """A process without threads, which may fork."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def run(beginning: Origin, other_process: ProcessPoolExecutor) -> Callable[..., Outcome]:
    """Return a function that lets a world on a local lake happen."""
    return lambda world: other_process.submit(worlds.run, world, beginning).result()
