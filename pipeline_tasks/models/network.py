"""The frame of every sequence model: items and events as vectors in, what comes next out of an encoder.

An event is its item, its type, and the time since the one before. An item is an id embedding plus its
projected content; their directions have equal say, so that neither drowns the other. Ids are dropped at random in
training, and an item without history has none, so that it is recommended from its content (Volkovs et al. 2017,
"DropoutNet: addressing cold start in recommender systems"). An encoder takes the vectors of events
(batch, length, dim) to states of the same shape, each made of the events up to its own. A score is the product of
the state's direction and the item over a temperature: the cosine (Yi et al. 2019, "Sampling-bias-corrected neural
modeling for large corpus item recommendations"), but that vectors start short and score little until they grew.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline_tasks.models.data import GAP_BUCKETS
from pipeline_tasks.models.validation import VALIDATION_USERS

EMBEDDING_STD = 0.02


@dataclass(frozen=True)
class SequenceConfig:
    """The network's shape, and how it is trained; the settings of the same names say what each is."""

    event_types: int
    dim: int = 64
    blocks: int = 1
    heads: int = 1
    max_length: int = 50
    dropout: float = 0.3
    id_dropout: float = 0.1
    temperature: float = 0.1
    full_length: float = 1.0
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    batch_events: int = 2048
    epochs: int = 60
    patience: int = 12
    full_softmax_items: int = 4_096
    negatives: int = 4_096
    mixed_days: bool = True
    """Whether what a user did in a day has no order: lists are for later days, and what is gone through in one
    sitting, a list of films to rate or of things to buy, teaches its own order."""
    novel_targets: bool = True
    """Whether only a user's first event with an item is to be predicted, since seen items are excluded."""
    validation_users: int = VALIDATION_USERS
    """Users whose last event is kept for early stopping, at most a quarter of all."""


class Dropout(nn.Module):
    """Dropout that draws a byte a value: eight of them from one random number, where torch draws eight numbers.

    The share dropped is `share` to the nearest 256th (Srivastava et al. 2014 for the method). A GPU draws in the
    kernel that multiplies, and torch.compile knows torch's own dropout only.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.dropped = round(256 * share)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.dropped:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.dropped / 256)
        numbers = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
        chances = numbers.random_(-(1 << 63), None).view(torch.uint8)[: x.numel()].view(x.shape)
        return x * ((chances >= self.dropped) * (256 / (256 - self.dropped)))


class Encoder(nn.Module):
    """From the vectors of events (batch, length, dim) to states of the same shape, each of the events so far."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__()

    def newest(self, x: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Return (batch, dim), the states at the places `last` (batch,), and what each event adds to them.

        That is (batch, length, dim), to be multiplied with the item asked about. An encoder that cannot tell
        gives the direction of the events themselves, which says how like the item each of them is.
        """
        states: Tensor = self(x)[torch.arange(len(x), device=x.device), last]
        return states, F.normalize(x, dim=-1)


class Network(nn.Module):
    """Vectors of items from ids and content, and of users from the vectors of their events' items."""

    content: Tensor  # (n_items + 1, width)
    trained: Tensor  # (n_items + 1,): whether the item had events to learn an id embedding from

    def __init__(
        self,
        config: SequenceConfig,
        encoder: type[Encoder],
        content: Tensor,
        trained: Tensor,
    ) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("content", content)
        self.register_buffer("trained", trained)
        self.ids = nn.Embedding(len(content), config.dim)
        self.project = nn.Linear(content.shape[1], config.dim, bias=False)
        self.types = nn.Embedding(config.event_types + 1, config.dim)
        self.gaps = nn.Embedding(GAP_BUCKETS, config.dim)
        for table in (self.ids, self.types, self.gaps, self.project):
            nn.init.normal_(table.weight, std=EMBEDDING_STD)
        self.encoder = encoder(config)

    def vectors(self, items: Tensor) -> Tensor:
        """Return (items, dim), of length 1 at most.

        The direction is the sum of those of the item's id embedding, if it has one, and of its content; the
        length that of their own sum over `full_length`. Zeros for an item that has neither.
        """
        known = self.trained[items, None]
        if self.training and self.config.id_dropout:
            dropped = torch.rand(len(items), 1, device=items.device) < self.config.id_dropout
            known = known & ~(dropped & self.content[items].any(1, keepdim=True))
        ids, content = self.ids(items) * known, self.project(self.content[items])
        direction = F.normalize(F.normalize(ids, dim=1) + F.normalize(content, dim=1), dim=1)
        length: Tensor = (ids + content).norm(dim=1, keepdim=True) / self.config.full_length
        return direction * length.clamp(max=1)

    def all_vectors(self) -> Tensor:
        """Return (n_items + 1, dim); row 0 is padding."""
        return self.vectors(torch.arange(len(self.content), device=self.content.device))

    def forward(self, vectors: Tensor, types: Tensor, gaps: Tensor) -> Tensor:
        """Return (batch, length, dim), at each event what comes next; `vectors` are of the events' items."""
        return self._directed(self.encoder(self._events(vectors, types, gaps)))

    def newest(self, vectors: Tensor, types: Tensor, gaps: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Return what comes next after the events `last` (batch,), and what each event adds to it."""
        states, added = self.encoder.newest(self._events(vectors, types, gaps), last)
        return self._directed(states), added  # (batch, dim), (batch, length, dim)

    def _directed(self, states: Tensor) -> Tensor:
        return F.normalize(states, dim=-1) / self.config.temperature

    def _events(self, vectors: Tensor, types: Tensor, gaps: Tensor) -> Tensor:
        events: Tensor = vectors * math.sqrt(self.config.dim) + self.types(types) + self.gaps(gaps)
        return events
