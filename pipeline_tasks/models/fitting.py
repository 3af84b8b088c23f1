"""What a sequence model learns from: histories in, batches, losses and a validation for the loop out."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.data import (
    Histories,
    length_batches,
    newest_windows,
    pad,
    training_windows,
)
from pipeline_tasks.models.losses import full_softmax, sampled_softmax
from pipeline_tasks.models.network import Network, SequenceConfig
from pipeline_tasks.models.validation import mean_gain

# events of a batch when users are encoded
ENCODED_AT_ONCE = 16_384
# negatives are drawn by the number of events to this power (Mikolov et al. 2013)
NEGATIVES_POWER = 0.75


class Fitting:
    """The work of one fit, as the loop asks for it; `network` is on its device already."""

    def __init__(
        self,
        network: Network,
        histories: Histories,
        validation: tuple[Histories, NDArray[np.int64]],
        config: SequenceConfig,
    ) -> None:
        self.network, self.config, self.histories = network, config, histories
        self.validation = validation
        self.device = network.content.device
        self.windows = training_windows(histories, config.max_length)
        self.gaps = histories.gap_buckets()
        novel = histories.novel() if config.novel_targets else True
        self.targets = np.where(novel, histories.items, 0)
        touched = np.bincount(histories.items, minlength=len(network.content))
        known = np.flatnonzero(touched)
        self.known = torch.from_numpy(known).to(self.device)  # (known,)
        chances = touched[known] ** NEGATIVES_POWER
        self.chances = torch.from_numpy(chances / chances.sum()).float().to(self.device)  # (known,)

    def batches(self, generator: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Yield the epoch's batches of windows."""
        yield from length_batches(self.windows.lengths - 1, self.config.batch_events, generator)

    def size(self, batch: NDArray[np.int64]) -> int:
        """Return the events of a batch."""
        return int(self.windows.lengths[batch].sum()) - len(batch)

    def loss(self, batch: NDArray[np.int64]) -> Tensor | None:
        """Return the mean cross-entropy of the batch's targets, None where it has none."""
        windows = self.windows[batch]
        items = pad(self.histories.items, windows, self.device)  # (batch, length + 1)
        wanted = pad(self.targets, windows, self.device)[:, 1:]  # (batch, length)
        asked = wanted > 0
        if not asked.any():
            return None
        whole = len(self.known) <= self.config.full_softmax_items
        drawn = self.known if whole else self._draw()
        used, place = _numbered(items, drawn, len(self.network.content))
        table = self.network.vectors(used)  # (used, dim)
        types = pad(self.histories.types, windows, self.device)[:, :-1]
        gaps = pad(self.gaps, windows, self.device)[:, :-1]
        hidden = self.network(table[place[items[:, :-1]]], types, gaps)[asked]  # (targets, dim)
        targets = wanted[asked]  # (targets,)
        if whole:
            return full_softmax(hidden, table[1:], place[targets] - 1)  # row 0 is padding
        expected = self.chances[torch.searchsorted(self.known, drawn)] * len(drawn)
        hits = targets[:, None] == drawn
        return sampled_softmax(hidden, table[place[targets]], table[place[drawn]], hits, expected.log())

    def validate(self) -> float | None:
        """Return the mean gain of each validation user's next item among all items."""
        self.network.eval()
        with torch.inference_mode():
            vectors = self.network.all_vectors()
            return mean_gain(
                lambda block: encode(self.network, block, vectors)[0] @ vectors.T,
                *self.validation,
                len(vectors) - 1,
                exclude_seen=self.config.novel_targets,
            )

    def _draw(self) -> Tensor:
        """Return items with events, drawn by a power of how often they occur, as negatives of a batch."""
        return self.known[torch.multinomial(self.chances, self.config.negatives, replacement=True)]


def encode(network: Network, histories: Histories, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return (rows, dim), each user after the newest events, and (rows, length, dim), what each event added.

    Both are zeros for one without events.
    """
    windows, gaps = newest_windows(histories, network.config.max_length), histories.gap_buckets()
    users = vectors.new_zeros(len(histories), network.config.dim)
    added = vectors.new_zeros(len(histories), int(windows.lengths.max(initial=0)), network.config.dim)
    active = np.flatnonzero(windows.lengths)
    for chosen in length_batches(windows.lengths[active], ENCODED_AT_ONCE):
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


def _numbered(items: Tensor, drawn: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the distinct items (0 first) of both, and (n,) the place of each item among them."""
    used = torch.zeros(n, dtype=torch.bool, device=items.device)
    used[items.flatten()] = True
    used[drawn] = True
    used[0] = True
    place = torch.cumsum(used, 0) - 1
    return used.nonzero().flatten(), place
