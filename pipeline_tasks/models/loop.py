"""The training loop: a module, its batches, loss and validation in; the module at its best epoch out.

An epoch's randomness depends on the seed and the epoch alone, and each epoch ends in a checkpoint: a run that
was killed at any instant goes on from there and ends with the weights of an unbroken one.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.models import checkpoint
from pipeline_tasks.models.interface import State, Training

Batch = TypeVar("Batch")
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: at most `epochs`, until `patience` of them bring nothing better."""

    epochs: int
    patience: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int = 50
    """Steps in which the learning rate rises to its value."""


class Work(Protocol[Batch]):
    """What is particular to a model."""

    def batches(self, generator: np.random.Generator) -> Iterator[Batch]:
        """Yield an epoch's batches, in an order that the generator decides."""

    def size(self, batch: Batch) -> int:
        """Return the number of events in a batch."""

    def loss(self, batch: Batch) -> Tensor | None:
        """Return the batch's loss, None where it has nothing to learn from."""

    def validate(self) -> float | None:
        """Return a quality, larger is better; None where there is nothing to validate on."""


@dataclass
class Progress:
    """How far a run is, and how it went: a loss and a quality an epoch."""

    epoch: int = 0
    steps: int = 0
    best_epoch: int = 0
    best_quality: float | None = None
    losses: list[float] = field(default_factory=list)
    qualities: list[float | None] = field(default_factory=list)

    def done(self, schedule: Schedule) -> bool:
        """Say whether there is nothing left to do."""
        return self.epoch >= schedule.epochs or self.epoch - self.best_epoch >= schedule.patience


def fit(
    module: nn.Module,
    work: Work[Batch],
    schedule: Schedule,
    config: Any,
    learnt: Any,
    training: Training,
    *,
    warm: bool,
) -> dict[str, Any]:
    """Train a module by `config` on what is `learnt`, both dataclasses; return what the model says of it."""
    state = module.state_dict().values()
    run = checkpoint.fingerprint(asdict(config), training.seed, *vars(learnt).values(), *state)
    progress = train(module, work, schedule, training, run, warm=warm)
    return {"config": asdict(config), "warm_start": warm, "training": asdict(progress)}


def train(
    module: nn.Module,
    work: Work[Batch],
    schedule: Schedule,
    training: Training,
    fingerprint: str,
    *,
    warm: bool,
) -> Progress:
    """Train until the schedule ends and leave the module at its best epoch, or, if `warm`, as it came.

    A checkpoint of another `fingerprint` (other data, settings or seed) is not gone on from. Raises Refused
    when the loss diverges, NightjarError when memory runs out.
    """
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True
    )
    with _reproducible(training.device), _memory_explained():
        progress, best = _resumed(module, optimizer, training, fingerprint)
        if warm and progress.epoch == 0:
            progress.best_quality = work.validate()
        while not progress.done(schedule):
            started = time.monotonic()
            events = _epoch(module, optimizer, work, schedule, training.seed, progress)
            quality = work.validate()
            progress.qualities.append(quality)
            if quality is None or progress.best_quality is None or quality > progress.best_quality:
                progress.best_quality, progress.best_epoch = quality, progress.epoch
                best = _copy(module.state_dict())
            _keep(module, optimizer, best, training, fingerprint, progress)
            training.say(_line(progress, schedule, events, time.monotonic() - started))
    module.load_state_dict(best)
    module.eval()
    return progress


def _epoch(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    work: Work[Batch],
    schedule: Schedule,
    seed: int,
    progress: Progress,
) -> int:
    """Make one pass over the batches; return the events seen."""
    progress.epoch += 1
    torch.manual_seed(seed * 1_000_003 + progress.epoch)
    module.train()
    losses, events = [], 0
    for batch in work.batches(np.random.default_rng((seed, progress.epoch))):
        loss = work.loss(batch)
        if loss is None:
            continue
        progress.steps += 1
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate * min(1.0, progress.steps / max(1, schedule.warmup_steps))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.detach())
        events += work.size(batch)
    mean = float(torch.stack(losses).mean()) if losses else 0.0
    if not np.isfinite(mean):
        raise Refused(
            f"training diverged: the loss is {mean} in epoch {progress.epoch}",
            f"lower train.learning_rate (now {schedule.learning_rate:g})",
        )
    progress.losses.append(mean)
    return events


def _resumed(
    module: nn.Module, optimizer: torch.optim.Optimizer, training: Training, fingerprint: str
) -> tuple[Progress, Tensors]:
    """Load the run's last checkpoint, if it is of this very run; return its progress and best weights."""
    data = training.checkpoint.read() if training.checkpoint else None
    state = checkpoint.unpack(data) if data else None
    if state is None or state.facts["fingerprint"] != fingerprint:
        return Progress(), _copy(module.state_dict())
    module.load_state_dict(_under("module.", state.tensors))
    moments: dict[int, Tensors] = {}
    for name, tensor in _under("optimizer.", state.tensors).items():
        number, _, moment = name.partition(".")
        moments.setdefault(int(number), {})[moment] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    progress = Progress(**state.facts["progress"])
    training.say(f"going on after epoch {progress.epoch}")
    best = {name: tensor.to(training.device) for name, tensor in _under("best.", state.tensors).items()}
    return progress, best


def _keep(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: Tensors,
    training: Training,
    fingerprint: str,
    progress: Progress,
) -> None:
    if training.checkpoint is None:
        return
    tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in moments.items()}
    facts = {"fingerprint": fingerprint, "progress": asdict(progress)}
    training.checkpoint.write(checkpoint.pack(State(tensors, facts)))


def _line(progress: Progress, schedule: Schedule, events: int, seconds: float) -> str:
    left = min(schedule.epochs - progress.epoch, progress.best_epoch + schedule.patience - progress.epoch)
    quality = progress.qualities[-1]
    validation = (
        f", validation {quality:.4f} (best {progress.best_quality:.4f})" if quality is not None else ""
    )
    return (
        f"epoch {progress.epoch}/{schedule.epochs}: loss {progress.losses[-1]:.4f}{validation}, "
        f"{events / max(seconds, 1e-9):,.0f} events/s, at least {left * seconds:.0f} s left"
    )


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _copy(tensors: Tensors) -> Tensors:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@contextmanager
def _reproducible(device: torch.device) -> Iterator[None]:
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
def _memory_explained() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        first = str(error).partition("\n")[0]
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in first:
            raise NightjarError(
                f"memory ran out in training: {first[:200]}",
                "lower train.batch_events or train.full_softmax_items",
            ) from error
        raise
