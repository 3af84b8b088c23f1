"""The training loop: a module, its batches, loss and validation in; the module at its best epoch out.

What is validated, and kept, is the mean of the weights over the steps. An epoch's randomness depends on the seed
and the epoch alone, and each epoch ends in a checkpoint: a run that was killed at any instant goes on from there
and ends with the weights of an unbroken one.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.models import checkpoint
from pipeline_tasks.models.averaging import Averages
from pipeline_tasks.models.devices import few_threads, memory_explained, reproducible
from pipeline_tasks.models.interface import State, Training
from pipeline_tasks.models.schedule import Progress, Schedule

Batch = TypeVar("Batch")
Tensors = dict[str, Tensor]
# of a checkpoint: one of another layout is not gone on from
LAYOUT = "module, means, best, optimizer"


class Work(Protocol[Batch]):
    """What is particular to a model. Of several processes each has its own share of every batch."""

    def batches(self, generator: np.random.Generator) -> Iterator[Batch]:
        """Yield an epoch's batches, in an order that the generator decides; as many in all processes."""

    def size(self, batch: Batch) -> int:
        """Return the number of events in a batch, all shares together."""

    def loss(self, batch: Batch) -> Tensor:
        """Return the batch's loss; of several processes, what the own share adds to it."""

    def validate(self) -> float | None:
        """Return a quality, larger is better; None where there is nothing to validate on."""


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
    how = training.seed, str(training.precision), training.compiled, LAYOUT
    run = checkpoint.fingerprint(asdict(config), how, *vars(learnt).values(), *state)
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
    when the loss diverges, NightjarError when memory runs out or another process is lost.
    """
    together = training.processes
    differs = together.first(lambda: fingerprint) != fingerprint
    if together.sum(torch.tensor(int(differs))):
        raise NightjarError("the processes were not given the same thing to train", "start them all anew")
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True
    )
    explained = memory_explained("training", schedule.less_memory)
    with few_threads(training.device), reproducible(training.device), explained:
        averages = Averages(module)
        progress, best = _resumed(module, optimizer, averages, training, fingerprint)
        if warm and progress.epoch == 0:
            progress.best_quality = together.first(work.validate)
        while not progress.done(schedule):
            started = time.monotonic()
            events = _epoch(module, optimizer, averages, work, schedule, training, progress)
            with averages.in_place():
                if progress.judge(together.first(work.validate)):
                    best = _copy(module.state_dict())
            _keep(module, optimizer, averages, best, training, fingerprint, progress)
            training.say(progress.line(schedule, events, time.monotonic() - started))
    module.load_state_dict(best)
    module.eval()
    return progress


def _epoch(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    averages: Averages,
    work: Work[Batch],
    schedule: Schedule,
    training: Training,
    progress: Progress,
) -> int:
    """Make one pass over the batches; return the events seen."""
    progress.epoch += 1
    training.processes.seed(training.seed * 1_000_003 + progress.epoch)
    module.train()
    losses, events = [], 0
    for batch in work.batches(np.random.default_rng((training.seed, progress.epoch))):
        progress.steps += 1
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(progress.steps)
        loss = work.loss(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        training.processes.sum_gradients(module.parameters())
        optimizer.step()
        averages.add(progress.steps)
        losses.append(loss.detach())
        events += work.size(batch)
    mean = float(training.processes.sum(torch.stack(losses)).mean()) if losses else 0.0
    if not np.isfinite(mean) or not all(bool(each.isfinite().all()) for each in module.parameters()):
        raise Refused(
            f"training diverged: the loss is {mean} in epoch {progress.epoch}, or a weight no number after it",
            f"lower {schedule.section}.learning_rate (now {schedule.learning_rate:g})",
        )
    progress.losses.append(mean)
    return events


def _resumed(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    averages: Averages,
    training: Training,
    fingerprint: str,
) -> tuple[Progress, Tensors]:
    """Load the run's last checkpoint, if it is of this very run; return its progress and best weights."""
    state = _last_checkpoint(training)
    if state is None or state.facts["fingerprint"] != fingerprint:
        return Progress(), _copy(module.state_dict())
    module.load_state_dict(_under("module.", state.tensors))
    moments: dict[int, Tensors] = {}
    for name, tensor in _under("optimizer.", state.tensors).items():
        number, _, moment = name.partition(".")
        moments.setdefault(int(number), {})[moment] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    for place, mean in enumerate(averages.tensors):
        mean.copy_(state.tensors[f"average.{place}"])
    progress = Progress(**state.facts["progress"])
    training.say(f"going on after epoch {progress.epoch}")
    best = {name: tensor.to(training.device) for name, tensor in _under("best.", state.tensors).items()}
    return progress, best


def _last_checkpoint(training: Training) -> State | None:
    """Return what was kept last; None, said aloud, where it is damaged: no night shall end because of it."""
    place = training.checkpoint
    data = training.processes.first(lambda: place.read() if place else None)
    try:
        return checkpoint.unpack(data) if data is not None else None
    except Refused as error:
        training.say(f"starting anew: {error}")
        return None


def _keep(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    averages: Averages,
    best: Tensors,
    training: Training,
    fingerprint: str,
    progress: Progress,
) -> None:
    if training.checkpoint is None:
        return
    tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    tensors |= {f"average.{place}": mean for place, mean in enumerate(averages.tensors)}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in moments.items()}
    facts = {"fingerprint": fingerprint, "progress": asdict(progress)}
    training.checkpoint.write(checkpoint.pack(State(tensors, facts)))


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _copy(tensors: Tensors) -> Tensors:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
