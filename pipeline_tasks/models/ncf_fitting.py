"""What NeuMF learns from: users' tastes in, batches, the loss and a validation for the loop out; and its scores."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.losses import bpr
from pipeline_tasks.models.neumf import NcfConfig, Network
from pipeline_tasks.models.tastes import Tastes, tastes_of
from pipeline_tasks.models.validation import mean_gain


class Fitting:
    """The work of one fit, as the loop asks for it; `network` is on its device already.

    A pair's own item is left out of the mean that stands for its user: it is what is to be found.
    """

    def __init__(
        self,
        network: Network,
        histories: Histories,
        tastes: Tastes,
        validation: tuple[Histories, NDArray[np.int64]],
    ) -> None:
        self.network, self.histories, self.tastes = network, histories, tastes
        self.validation = validation
        self.device = network.known_items.device
        self.items = len(network.known_items)
        self.known = self._tensor(np.unique(tastes.items))  # (known,)
        self.known_users = self._tensor(histories.users[tastes.lengths > 0]).long()
        self.pairs = self._tensor(tastes.rows * self.items + tastes.items)  # (pairs,), in order

    def batches(self, generator: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Yield the epoch's batches of users; these, and the items in them, count as known."""
        known = (self.network.known_users, self.known_users), (self.network.known_items, self.known)
        for mask, rows in known:
            mask.zero_()[rows] = True
        yield from self.tastes.drawn(generator, self.network.config.batch_events)

    def size(self, batch: NDArray[np.int64]) -> int:
        """Return the pairs of a batch."""
        return int(self.tastes.lengths[batch].sum())

    def loss(self, batch: NDArray[np.int64]) -> Tensor:
        """Return the BPR loss of the users' pairs, each against items that the user did not touch."""
        lengths = self.tastes.lengths[batch]
        pairs = self.tastes.of(batch)
        row = self._tensor(np.repeat(np.arange(len(batch)), lengths))  # (pairs,)
        items = self._tensor(self.tastes.items[pairs])
        total, counts = self.network.sums(items, self._tensor(np.cumsum(lengths) - lengths))
        own = self.network.items(items)  # (pairs, 2 dim)
        others = (total.index_select(0, row) - own) / (counts[row] - 1).clamp(min=1)
        ids = self.network.ids(self._tensor(self.histories.users[batch]).long())
        drawn = self._drawn(len(items))  # (pairs, m)
        candidates = torch.cat([own[:, None], self.network.items(drawn)], 1)
        scores = self.network(ids.index_select(0, row) + others, candidates)  # (pairs, 1 + m)
        hits = self._touched(self._tensor(self.tastes.rows[pairs])[:, None] * self.items + drawn)
        return bpr(scores[:, 0], scores[:, 1:], hits)

    def validate(self) -> float | None:
        """Return the mean gain of the validation users."""
        self.network.eval()
        histories, answers = self.validation
        return mean_gain(
            lambda block: score(self.network, block),
            histories,
            answers,
            self.items - 1,
            exclude_seen=self.network.config.novel_targets,
        )

    def _drawn(self, pairs: int) -> Tensor:
        """Return (pairs, m) known items, each as likely as any other."""
        shape = (pairs, self.network.config.negatives_each)
        return self.known[torch.randint(len(self.known), shape, device=self.device)]

    def _touched(self, keys: Tensor) -> Tensor:
        """Say of each row * items + item whether the row has the item."""
        place = torch.searchsorted(self.pairs, keys).clamp(max=len(self.pairs) - 1)
        return self.pairs[place] == keys

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self.device)


def score(network: Network, histories: Histories) -> Tensor:
    """Return (rows, n_items + 1), -inf for items without events, and for users without a known item."""
    users, some = vectors(network, histories.users, context(histories, network.config))
    scores = network.all_scores(users)
    scores[:, ~network.known_items] = -torch.inf
    scores[~some] = -torch.inf
    return scores


def vectors(network: Network, users: NDArray[np.int32], tastes: Tastes) -> tuple[Tensor, Tensor]:
    """Return (rows, 2 dim), the users' vectors, and (rows,) whether they have a known item."""
    device = network.known_items.device
    items, offsets = (torch.from_numpy(part).to(device) for part in (tastes.items, tastes.offsets[:-1]))
    total, counts = network.sums(items, offsets)
    ids = network.ids(torch.from_numpy(users).to(device).long())
    return ids + total / counts.clamp(min=1), counts[:, 0] > 0


def context(histories: Histories, config: NcfConfig) -> Tastes:
    """Return the pairs of the newest events; `newest` numbers events as in `histories`."""
    last = histories.last(config.max_length)
    tastes = tastes_of(last, config.weights)
    return replace(tastes, newest=tastes.newest + (histories.offsets - last.offsets)[1:][tastes.rows])
