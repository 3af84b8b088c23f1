"""Several processes that fit one model together, a GPU each: a process's part in, what holds for all out.

Every process walks through the same batches and takes its share of each. A share's loss is its part of the mean
over the whole batch, so that losses and gradients of all processes simply add up. Process 0 alone validates and
keeps checkpoints; the others do as it finds.

The gradients are added up here, after each backward pass, instead of by torch's DistributedDataParallel: that
prepares its reduction in the forward of the module that it wraps and knows nothing of other calls
(https://docs.pytorch.org/docs/stable/notes/ddp.html, "Internal Design"), while a loss asks a network for its
items' vectors and for its states apart; and it divides by the number of processes, where shares differ in the
number of their targets.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline_tasks.errors import NightjarError

T = TypeVar("T")
# how long one waits for another: longer than process 0 validates and writes a checkpoint
PATIENCE = timedelta(minutes=10)
APART = 1_000_000_007  # between the seeds of two processes


@dataclass(frozen=True)
class Processes:
    """This process among those that fit a model together."""

    rank: int = 0
    count: int = 1
    alike: torch.Generator | None = None
    """Draws what must be the same in all processes; None, torch's own generator, where there is but one."""

    def share(self, batch: NDArray[Any]) -> NDArray[Any]:
        """Return what of a batch is this process's; possibly nothing."""
        return batch[self.rank :: self.count]

    def seed(self, number: int) -> None:
        """Seed what is drawn alike, and what each process draws for itself: its dropout."""
        torch.manual_seed(number + self.rank * APART)
        if self.alike:
            self.alike.manual_seed(number)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of all processes' values."""
        if self.count > 1:
            with self._heard():
                dist.all_reduce(values)
        return values

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every parameter the sum of its gradients in all processes, in one message."""
        if self.count == 1:
            return
        own = list(parameters)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in own]
        total = self.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(total, [parameter.numel() for parameter in own])
        for parameter, part in zip(own, parts, strict=True):
            parameter.grad = part.view_as(parameter)

    def first(self, make: Callable[[], T]) -> T:
        """Return what process 0 makes, in all processes; the others wait for it, and do not make it."""
        if self.count == 1:
            return make()
        made: list[Any] = [make() if self.rank == 0 else None]
        with self._heard():
            dist.broadcast_object_list(made, src=0, device=torch.device("cpu"))
        value: T = made[0]
        return value

    @contextmanager
    def _heard(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # torch has no narrower one for all its backends
            first = str(error).partition("\n")[0]
            raise NightjarError(
                f"process {self.rank} of {self.count} has lost the others: {first[:200]}",
                "see what the first that failed has said",
            ) from error


ALONE = Processes()


@contextmanager
def joined(count: int, device: torch.device) -> Iterator[Processes]:
    """Join the `count` processes that torchrun's environment tells of; by NCCL between GPUs, by gloo otherwise.

    Objects always go by gloo. A process that fails does not wait for the others: they lose it, and fail too.
    """
    if count == 1:
        yield ALONE
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    yield Processes(dist.get_rank(), count, torch.Generator())
    dist.destroy_process_group()
