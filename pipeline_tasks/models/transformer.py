"""A causal Transformer over a user's events: histories and a catalogue in, a vector a user and an item out.

An event is its item, its type, the time since the one before, and its position. An item is an id embedding
plus its projected content; ids are dropped at random in training, and an item without history has none, so
that it is recommended from its content (Kang and McAuley 2018, "Self-attentive sequential recommendation").
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline_tasks.models.data import GAP_BUCKETS

EMBEDDING_STD = 0.02


@dataclass(frozen=True)
class TransformerConfig:
    """The network's shape, and how it is trained; the settings of the same names say what each is."""

    event_types: int
    dim: int = 64
    blocks: int = 2
    heads: int = 2
    max_length: int = 50
    dropout: float = 0.2
    id_dropout: float = 0.1
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    batch_events: int = 1024
    epochs: int = 30
    patience: int = 3
    full_softmax_items: int = 20_000
    negatives: int = 2_048
    novel_targets: bool = True
    """Whether only a user's first event with an item is to be predicted, since seen items are excluded."""
    validation_users: int = 2_000
    """Users whose last event is kept for early stopping, at most a quarter of all."""


class Attention(nn.Module):
    """Causal self-attention. Padding lies behind the events, where no event looks, and needs no mask."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, dim = x.shape
        parts = self.qkv(x).view(batch, length, 3, self.heads, dim // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # each (batch, heads, length, dim / heads)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.out(y.transpose(1, 2).reshape(batch, length, dim))  # (batch, length, dim)
        return out


class Block(nn.Module):
    """A pre-norm Transformer block."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm_attention, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.mlp = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm_attention(x)))
        out: Tensor = x + self.dropout(self.mlp(self.norm_mlp(x)))  # (batch, length, dim)
        return out


class Network(nn.Module):
    """Vectors of items from ids and content, and of users from the vectors of their events' items."""

    content: Tensor  # (n_items + 1, width)
    trained: Tensor  # (n_items + 1,): whether the item had events to learn an id embedding from

    def __init__(self, config: TransformerConfig, content: Tensor, trained: Tensor) -> None:
        super().__init__()
        dim, items = config.dim, len(content)
        self.config = config
        self.register_buffer("content", content)
        self.register_buffer("trained", trained)
        self.ids = nn.Embedding(items, dim)
        self.project = nn.Linear(content.shape[1], dim, bias=False)
        self.types = nn.Embedding(config.event_types + 1, dim)
        self.gaps = nn.Embedding(GAP_BUCKETS, dim)
        self.positions = nn.Embedding(config.max_length, dim)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(dim, config.heads, config.dropout) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(dim)
        for table in (self.ids, self.types, self.gaps, self.positions):
            nn.init.normal_(table.weight, std=EMBEDDING_STD)

    def vectors(self, items: Tensor) -> Tensor:
        """Return (items, dim): an item is its id embedding, if it has one, plus its projected content."""
        known = self.trained[items, None]
        if self.training:
            dropped = torch.rand(len(items), 1, device=items.device) < self.config.id_dropout
            known = known & ~(dropped & self.content[items].any(1, keepdim=True))
        vectors: Tensor = self.ids(items) * known + self.project(self.content[items])
        return vectors

    def all_vectors(self) -> Tensor:
        """Return (n_items + 1, dim); row 0 is padding."""
        return self.vectors(torch.arange(len(self.content), device=self.content.device))

    def forward(self, vectors: Tensor, types: Tensor, gaps: Tensor) -> Tensor:
        """Return (batch, length, dim), at each event what comes next; `vectors` are of the events' items."""
        positions = torch.arange(vectors.shape[1], device=vectors.device)
        x = vectors * math.sqrt(self.config.dim)  # (batch, length, dim)
        x = self.dropout(x + self.types(types) + self.gaps(gaps) + self.positions(positions))
        for block in self.blocks:
            x = block(x)
        normed: Tensor = self.norm(x)
        return normed
