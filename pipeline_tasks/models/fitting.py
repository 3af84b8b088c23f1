"""What a sequence model learns from: histories in, batches, losses and a validation for the loop out."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.batches import Batch, Batches
from pipeline_tasks.models.data import Histories, length_batches, newest_windows, pad
from pipeline_tasks.models.devices import autocast, compiled
from pipeline_tasks.models.interface import Training
from pipeline_tasks.models.losses import full_softmax, sampled_softmax
from pipeline_tasks.models.network import Network, SequenceConfig
from pipeline_tasks.models.validation import mean_gain

# events of a batch when users are encoded; a GPU is twice as fast with more of them
ENCODED_AT_ONCE, GPU_ENCODED_AT_ONCE = 16_384, 131_072


class Fitting:
    """The work of one fit, as the loop asks for it; `network` is on its device already."""

    def __init__(
        self,
        network: Network,
        histories: Histories,
        validation: tuple[Histories, NDArray[np.int64]],
        config: SequenceConfig,
        training: Training,
    ) -> None:
        self.network, self.config, self.training = network, config, training
        self.made = Batches(histories, len(network.content), config, training.processes)
        self.validation = validation
        self.device = network.content.device
        touched = np.bincount(histories.items, minlength=len(network.content)) > 0
        self.touched = torch.from_numpy(touched).to(self.device)  # (n_items + 1,)
        self.states = self._compiled() if training.compiled else network

    def batches(self, generator: np.random.Generator) -> Iterator[Batch]:
        """Yield the epoch's batches, of each the share of this process; what is in them counts as trained."""
        self.network.trained.copy_(self.touched)
        yield from self.made.epoch(generator, self.device)

    def size(self, batch: Batch) -> int:
        """Return the events of a batch, in all processes."""
        return batch.events

    def loss(self, batch: Batch) -> Tensor:
        """Return what this process's targets add to the mean cross-entropy of all targets of the batch."""
        if not len(batch.targets):
            return torch.zeros((), device=self.device, requires_grad=True)
        with autocast(self.device, self.training.precision):
            table = self.network.vectors(batch.used)  # (used, dim)
            events = F.embedding(batch.items, table)  # (batch, length, dim)
            states = self.states(events, batch.types, batch.gaps)  # (batch, length, dim)
            hidden = states.flatten(0, 1).index_select(0, batch.asked).float()  # (targets, dim)
            if self.made.whole:
                return batch.share * full_softmax(hidden, table[1:], batch.targets - 1)  # row 0 is padding
            own, others = (table.index_select(0, rows) for rows in (batch.targets, batch.drawn))
            return batch.share * sampled_softmax(hidden, own, others, batch.hits, batch.log_expected)

    def validate(self) -> float | None:
        """Return the mean gain of each validation user's next item among all items."""
        self.network.eval()
        with torch.inference_mode():
            vectors = self.network.all_vectors()
            unknown = ~vectors.any(1)

            def score(block: Histories) -> Tensor:
                scores = encode(self.network, block, vectors)[0] @ vectors.T
                scores[:, unknown] = -torch.inf
                return scores

            return mean_gain(
                score,
                *self.validation,
                len(vectors) - 1,
                exclude_seen=self.config.novel_targets,
            )

    def _compiled(self) -> Callable[..., Tensor]:
        """Return the network's forward, compiled on a few made-up events."""
        shape = 2, min(8, self.config.max_length)
        nothing = torch.zeros(shape, dtype=torch.int64, device=self.device)
        vectors = torch.zeros(*shape, self.config.dim, device=self.device, requires_grad=True)
        with autocast(self.device, self.training.precision):
            return compiled(self.network, (vectors, nothing, nothing), self.training.say)


def encode(network: Network, histories: Histories, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return (rows, dim), each user after the newest events, and (rows, length, dim), what each event added.

    Both are zeros for one without events.
    """
    windows, gaps = newest_windows(histories, network.config.max_length), histories.gap_buckets()
    users = vectors.new_zeros(len(histories), network.config.dim)
    added = vectors.new_zeros(len(histories), int(windows.lengths.max(initial=0)), network.config.dim)
    active = np.flatnonzero(windows.lengths)
    at_once = ENCODED_AT_ONCE if vectors.device.type == "cpu" else GPU_ENCODED_AT_ONCE
    for chosen in length_batches(windows.lengths[active], at_once):
        batch = active[chosen]
        own = windows[batch]
        items, types, gap = (
            pad(values, own, vectors.device) for values in (histories.items, histories.types, gaps)
        )
        last = torch.from_numpy(own.lengths - 1).to(vectors.device)
        newest, shares = network.newest(vectors[items], types, gap, last)
        rows = torch.from_numpy(batch).to(vectors.device)
        users[rows] = newest
        added[rows, : shares.shape[1]] = shares
    return users, added
