"""What training asks of its device: the same bytes from a CPU, all the speed of a GPU, and words when memory ends."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

from pipeline_tasks.errors import NightjarError

Batch = TypeVar("Batch")
THREADS_BESIDE_A_GPU = 4


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """Return a context in which dense layers and attention compute in `precision`; of float32, one that does nothing."""
    return torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32)


def compiled(
    network: nn.Module, example: tuple[Tensor, ...], say: Callable[[str], None]
) -> Callable[..., Tensor]:
    """Return the network compiled for batches of any shape, or as it is, saying why, where that cannot be.

    A compiler works when it is first asked, so that it is tried on an example, the way back included. The
    network's gradients are gone after it.
    """
    torch.compiler.reset()  # networks before this one, as in a search, count against torch's limit
    try:
        fast: Callable[..., Tensor] = torch.compile(network, dynamic=True)
        fast(*example).sum().backward()  # type: ignore[no-untyped-call]
    except Exception as error:  # Triton, a C compiler, a kernel: each misses in an exception of its own
        say(
            f"goes on without torch.compile: {type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
        )
        return network
    finally:
        network.zero_grad(set_to_none=True)
    return fast


def made_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield the batches, each made by a thread while the one before it is learnt from; what fails there fails here."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, batches, None)
        while (batch := following.result()) is not None:
            following = thread.submit(next, batches, None)
            yield batch


@contextmanager
def few_threads(device: torch.device) -> Iterator[None]:
    """Leave torch few threads while a GPU trains: they only make batches, in the way of the one that starts kernels."""
    before = torch.get_num_threads()
    if device.type != "cpu":
        torch.set_num_threads(min(THREADS_BESIDE_A_GPU, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Keep to deterministic algorithms (on the CPU), and leave the process's random state as it was."""
    before, details = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic
    fill = details.fill_uninitialized_memory  # type: ignore[attr-defined]
    try:
        torch.use_deterministic_algorithms(device.type == "cpu")
        details.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        torch.use_deterministic_algorithms(before)
        details.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


@contextmanager
def memory_explained(doing: str, remedy: str) -> Iterator[None]:
    """Raise NightjarError with what to change where torch, or NumPy, runs out of memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        first = str(error).partition("\n")[0]
        spent = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if spent or "can't allocate memory" in first:
            raise NightjarError(f"memory ran out in {doing}: {first[:200]}", remedy) from error
        raise
