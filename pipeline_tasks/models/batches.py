"""What a sequence model learns from, step by step: histories in, batches of tensors out.

All that needs no network is worked out here, on the CPU: which items a batch is about, where each stands among
them, and what is asked for. A GPU then hardly waits for an answer of its own, and a thread can be a step ahead.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.data import Histories, length_batches, pad, training_windows
from pipeline_tasks.models.devices import made_ahead
from pipeline_tasks.models.losses import hits_among
from pipeline_tasks.models.network import SequenceConfig
from pipeline_tasks.models.processes import Processes

# negatives are drawn by the number of events to this power (Mikolov et al. 2013)
NEGATIVES_POWER = 0.75
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Batch:
    """A step's windows: this process's share of them; items are numbered as in `used`."""

    used: Tensor  # (used,), the distinct items, 0 first
    items: Tensor  # (batch, length)
    types: Tensor  # (batch, length)
    gaps: Tensor  # (batch, length)
    asked: Tensor  # (targets,), places among batch * length at which the next item is asked for
    targets: Tensor  # (targets,), what comes next there
    drawn: Tensor  # (negatives,), none where the loss is over all items
    log_expected: Tensor  # (negatives,), the logarithm of how often each is drawn
    hits: Tensor  # (2, pairs), which target is which negative
    share: float
    """Of the whole batch's targets."""
    events: int
    """Of the whole batch."""

    def moved(self, move: Callable[[Tensor], Tensor]) -> "Batch":
        """Return it with every tensor moved."""
        moved: dict[str, Any] = {
            name: move(value) if isinstance(value, Tensor) else value for name, value in vars(self).items()
        }
        return Batch(**moved)


class Batches:
    """The batches of one fit on `items` items (padding included)."""

    def __init__(
        self, histories: Histories, items: int, config: SequenceConfig, processes: Processes
    ) -> None:
        self.given, self.items, self.config, self.processes = histories, items, config, processes
        self.windows = training_windows(histories, config.max_length)
        self.gaps = histories.gap_buckets()
        self._learn_from(histories)
        touched = np.bincount(histories.items, minlength=items)
        known = np.flatnonzero(touched)
        self.known = torch.from_numpy(known)  # (known,)
        self.whole = len(known) <= config.full_softmax_items
        chances = touched[known] ** NEGATIVES_POWER
        self.chances = torch.from_numpy(chances / chances.sum()).float()  # (known,)

    def epoch(self, generator: np.random.Generator, device: torch.device) -> Iterator[Batch]:
        """Yield an epoch's batches that ask for something, in an order that the generator decides.

        For a GPU they are made in pinned memory and a step ahead. They are copied on the stream that computes,
        in turn with it: some hundred KB are not worth another.
        """
        if self.config.mixed_days:
            self._learn_from(self.given.mixed(generator.random(len(self.given.items))))
        chosen = length_batches(self.windows.lengths - 1, self.config.batch_events, generator)
        made = (self.batch(windows) for windows in chosen if self.asked[windows].any())
        if device.type != "cuda":
            return made
        pinned = made_ahead(batch.moved(lambda t: t.contiguous().pin_memory()) for batch in made)
        return (batch.moved(lambda t: t.to(device, non_blocking=True)) for batch in pinned)

    def batch(self, chosen: NDArray[np.int64]) -> Batch:
        """Return this process's share of these windows, with negatives that are the same in all processes."""
        own = self.processes.share(chosen)
        windows = self.windows[own]
        items = pad(self.histories.items, windows, CPU)  # (batch, length + 1)
        wanted = pad(self.targets, windows, CPU)[:, 1:].flatten()
        asked = wanted.nonzero().flatten()
        drawn, log_expected = self._draw()
        used, place = _numbered(items, self.known if self.whole else drawn, self.items)
        return Batch(
            used,
            place[items[:, :-1]],
            pad(self.histories.types, windows, CPU)[:, :-1],
            pad(self.gaps, windows, CPU)[:, :-1],
            asked,
            place[wanted[asked]],
            place[drawn],
            log_expected,
            hits_among(wanted[asked], drawn),
            share=len(asked) / int(self.asked[chosen].sum()),
            events=int(self.windows.lengths[chosen].sum()) - len(chosen),
        )

    def _learn_from(self, histories: Histories) -> None:
        self.histories = histories
        novel = histories.novel() if self.config.novel_targets else True
        self.targets = np.where(novel, histories.items, 0)
        before = np.concatenate([[0], np.cumsum(self.targets > 0)])  # targets before each event
        self.asked = before[self.windows.stops] - before[self.windows.starts + 1]  # (windows,)

    def _draw(self) -> tuple[Tensor, Tensor]:
        """Return items with events, drawn by a power of how often they occur, and the logarithm of how often each is."""
        if self.whole:
            return self.known[:0], self.chances[:0]
        wanted, alike = self.config.negatives, self.processes.alike
        drawn = torch.multinomial(self.chances, wanted, replacement=True, generator=alike)
        return self.known[drawn], (self.chances[drawn] * wanted).log()


def _numbered(items: Tensor, more: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the distinct items (0 first) of both, and (n,) the place of each item among them."""
    used = torch.zeros(n, dtype=torch.bool)
    used[items] = True
    used[more] = True
    used[0] = True
    place = torch.cumsum(used, 0) - 1
    return used.nonzero().flatten(), place
