"""The network of NeuMF: vectors of users and items in, how well they suit each other out.

He et al. 2017, "Neural collaborative filtering": a product of factors (GMF) beside a tower over both vectors
(MLP). There a user is an id alone. Here it is the id's vector, where the fit knew the user, plus the mean of
the vectors of the items in the history, so that users who came after the fit, and events after it, count.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline_tasks.models.validation import VALIDATION_USERS

INITIAL_STD = 0.1
# numbers of the tower's first layer at a time when all items are scored: these stay in the processor's cache
CELLS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class NcfConfig:
    """The settings of the same names say what most are; `weights` of the event types (first padding's)."""

    dim: int = 64
    max_length: int = 50
    dropout: float = 0.2
    id_dropout: float = 0.1
    """Share of users' id vectors dropped in training, so that histories alone can speak."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    batch_events: int = 1024
    epochs: int = 30
    patience: int = 3
    negatives_each: int = 4
    """Items drawn for each one that the user touched."""
    novel_targets: bool = True
    validation_users: int = VALIDATION_USERS
    weights: tuple[float, ...] = (0.0, 1.0)


class Network(nn.Module):
    """Vectors (…, 2 dim): the first half is for the product, the second for the tower."""

    known_users: Tensor  # (users,): whether the fit had events of the user
    known_items: Tensor  # (n_items + 1,)

    def __init__(self, config: NcfConfig, known_users: Tensor, known_items: Tensor) -> None:
        super().__init__()
        dim = config.dim
        self.config = config
        self.register_buffer("known_users", known_users)
        self.register_buffer("known_items", known_items)
        self.users = nn.Embedding(len(known_users), 2 * dim)
        self.items = nn.Embedding(len(known_items), 2 * dim)
        # the first layer of the tower over both vectors, in two halves: each is computed once a user or item
        self.from_user, self.from_item = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.middle, self.last = nn.Linear(dim, dim // 2), nn.Linear(dim // 2, dim // 4)
        self.product_weights = nn.Parameter(torch.ones(dim))
        self.tower_weights = nn.Parameter(torch.ones(dim // 4))
        self.dropout = nn.Dropout(config.dropout)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=INITIAL_STD)

    def ids(self, users: Tensor) -> Tensor:
        """Return (rows, 2 dim), the vectors of users by their ids; zeros for those that the fit did not know."""
        inside = users < len(self.known_users)
        users = users * inside
        known = (self.known_users[users] & inside)[:, None]
        if self.training:
            known = known & (torch.rand(len(users), 1, device=users.device) >= self.config.id_dropout)
        vectors: Tensor = self.users(users) * known
        return vectors

    def sums(self, items: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Return (rows, 2 dim) the sum of the vectors of a row's known items, and (rows, 1) how many they are."""
        known = self.known_items[items].to(self.items.weight.dtype)
        total = F.embedding_bag(items, self.items.weight, offsets, mode="sum", per_sample_weights=known)
        ends = torch.cumsum(F.pad(known, (1, 0)), 0)
        stops = torch.cat([offsets[1:], offsets.new_tensor([len(items)])])
        return total, (ends[stops] - ends[offsets])[:, None]

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Return (batch, m): `users` (batch, 2 dim) with each of `items` (batch or 1, m, 2 dim)."""
        for_product, for_tower = users.chunk(2, 1)
        products = ((for_product * self.product_weights)[:, None] @ items[:, :, : self.config.dim].mT)[:, 0]
        x = self.from_user(for_tower)[:, None] + self.from_item(items[:, :, self.config.dim :])
        x = self.dropout(F.relu(x))  # (batch, m, dim)
        x = F.relu(self.last(F.relu(self.middle(x))))  # (batch, m, dim / 4)
        scores: Tensor = products + x @ self.tower_weights
        return scores

    def slope(self, users: Tensor, items: Tensor) -> Tensor:
        """Return (batch, m, 2 dim), the gradient of `forward` by the users' vectors, without dropout.

        By hand, since models are served in inference mode, where torch keeps nothing to differentiate.
        """
        for_product, for_tower = items.chunk(2, 2)
        first = F.relu(self.from_user(users[:, None, self.config.dim :]) + self.from_item(for_tower))
        middle = F.relu(self.middle(first))
        last = F.relu(self.last(middle))  # (batch, m, dim / 4)
        slope = (self.tower_weights * (last > 0)) @ self.last.weight * (middle > 0)
        slope = slope @ self.middle.weight * (first > 0)  # (batch, m, dim)
        return torch.cat([for_product * self.product_weights, slope @ self.from_user.weight], 2)

    def all_scores(self, users: Tensor) -> Tensor:
        """Return (rows, n_items + 1), blocks of users and items at a time."""
        at_once = max(1, CELLS_AT_ONCE // (len(users) or 1) // self.config.dim)
        blocks = torch.split(self.items.weight, at_once)
        return torch.cat([self(users, block[None]) for block in blocks], 1)
