"""What matrix factorization learns from: users' tastes in, batches, the loss and a validation for the loop out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline_tasks.models.losses import squared_error
from pipeline_tasks.models.tastes import Tastes
from pipeline_tasks.models.validation import VALIDATION_USERS

INITIAL_STD = 0.1


@dataclass(frozen=True)
class MfConfig:
    """The settings of the same names say what most are; `weights` of the event types (first padding's)."""

    dim: int = 64
    learning_rate: float = 1e-3
    batch_events: int = 1024
    epochs: int = 30
    patience: int = 3
    negatives: int = 2_048
    """Items drawn for a batch, as zeros of all its users."""
    zero_weight: float = 0.1
    """Of a pair that did not happen; one that did has the weight of its event type."""
    regularization: float = 0.03
    """Of a user's and an item's parameters, for each pair that they have."""
    max_history: int = 200
    novel_targets: bool = True
    validation_users: int = VALIDATION_USERS
    weights: tuple[float, ...] = (0.0, 1.0)


class Network(nn.Module):
    """Parameters of users and items, (rows, dim + 1) each: factors, and a bias in the last column."""

    known_items: Tensor  # (items,): whether there is anything learnt of the item

    def __init__(self, users: int, items: int, dim: int) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(users, dim + 1), nn.Embedding(items, dim + 1)
        self.register_buffer("known_items", torch.zeros(items, dtype=torch.bool))
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=INITIAL_STD)
            nn.init.zeros_(table.weight[:, -1])


class Fitting:
    """The work of one fit, as the loop asks for it; `network` is on its device already."""

    def __init__(
        self,
        network: Network,
        tastes: Tastes,
        config: MfConfig,
        quality: Callable[[Tensor], float | None],
    ) -> None:
        self.network, self.tastes, self.config, self.quality = network, tastes, config, quality
        self.device = network.items.weight.device
        self.known = torch.from_numpy(np.unique(tastes.items)).to(self.device)  # (known,)

    def batches(self, generator: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Yield the epoch's batches of users; the items in them count as known."""
        self.network.known_items.zero_()[self.known] = True
        yield from self.tastes.drawn(generator, self.config.batch_events)

    def size(self, batch: NDArray[np.int64]) -> int:
        """Return the pairs of a batch."""
        return int(self.tastes.lengths[batch].sum())

    def loss(self, batch: NDArray[np.int64]) -> Tensor:
        """Return the squared error of the users' pairs and of items drawn as zeros, with the regularization."""
        pairs, config = self.tastes.of(batch), self.config
        users = self.network.users(self._tensor(batch))  # (batch, dim + 1)
        own_users = self.network.users(self._tensor(self.tastes.rows[pairs]))  # (pairs, dim + 1)
        items = self.network.items(self._tensor(self.tastes.items[pairs]))  # (pairs, dim + 1)
        own = (own_users[:, :-1] * items[:, :-1]).sum(1) + own_users[:, -1] + items[:, -1]
        drawn = self._drawn()
        table = self.network.items(drawn)  # (drawn, dim + 1)
        zeros = users[:, :-1] @ table[:, :-1].T + users[:, -1:] + table[:, -1]  # (batch, drawn)
        confidence = self._tensor(self.tastes.weights[pairs]).float()
        weight = config.zero_weight * len(self.known) / len(drawn)
        size = (own_users.square().sum() + items.square().sum()) / len(pairs)
        loss: Tensor = squared_error(own, confidence, zeros, weight) + config.regularization * size
        return loss

    def validate(self) -> float | None:
        """Return the quality of the items' parameters as they are."""
        return self.quality(self.item_table())

    def item_table(self) -> Tensor:
        """Return the items' parameters, zeros where nothing is known of an item."""
        return self.network.items.weight.detach().masked_fill(~self.network.known_items[:, None], 0.0)

    def _drawn(self) -> Tensor:
        """Return known items, each as likely as any other; all of them where they are few."""
        if len(self.known) <= self.config.negatives:
            return self.known
        return self.known[torch.randint(len(self.known), (self.config.negatives,), device=self.device)]

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self.device)
