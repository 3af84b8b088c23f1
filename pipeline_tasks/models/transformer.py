"""A causal Transformer: vectors of events in, at each event what comes next out.

Kang and McAuley 2018, "Self-attentive sequential recommendation", with pre-norm blocks.
"""

import math
from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline_tasks.models.network import EMBEDDING_STD, Dropout, Encoder, SequenceConfig
from pipeline_tasks.models.sequence_model import SequenceModel


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

    def added(self, x: Tensor, last: Tensor) -> Tensor:
        """Return (batch, length, dim), what each event adds to the outcome at the places `last` (batch,)."""
        batch, length, dim = x.shape
        q, k, v = self.qkv.weight.chunk(3)
        q_bias, k_bias, v_bias = self.qkv.bias.chunk(3)
        shape = batch, length, self.heads, dim // self.heads
        asking = F.linear(x[torch.arange(batch, device=x.device), last], q, q_bias)  # (batch, dim)
        keys, values = F.linear(x, k, k_bias).view(shape), F.linear(x, v, v_bias).view(shape)
        asking = asking.view(batch, self.heads, -1) / math.sqrt(dim // self.heads)
        weights = torch.einsum("bhd,blhd->blh", asking, keys)
        later = torch.arange(length, device=x.device) > last[:, None]
        weights = weights.masked_fill(later[:, :, None], -torch.inf).softmax(1)  # (batch, length, heads)
        return F.linear((values * weights[..., None]).flatten(2), self.out.weight)


class Block(nn.Module):
    """A pre-norm Transformer block."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm_attention, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm_attention(x)))
        out: Tensor = x + self.dropout(self.mlp(self.norm_mlp(x)))  # (batch, length, dim)
        return out

    def finish(self, own: Tensor, attended: Tensor) -> Tensor:
        """Return the block's outcome at places whose inputs and attention's outcomes (batch, dim) are given."""
        own = own + attended
        out: Tensor = own + self.mlp(self.norm_mlp(own))
        return out


class TransformerEncoder(Encoder):
    """Learnt positions, blocks of attention, and a norm."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__(config)
        self.positions = nn.Embedding(config.max_length, config.dim)
        nn.init.normal_(self.positions.weight, std=EMBEDDING_STD)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(config.dim, config.heads, config.dropout) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self._placed(x)
        for block in self.blocks:
            x = block(x)
        normed: Tensor = self.norm(x)  # (batch, length, dim)
        return normed

    def newest(self, x: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Of the last block only the places `last` are worked out: no other is looked at.

        An event adds its value by the attention that it gets, in each block, and the newest one itself; the
        dense layers, which act on the sum, are left out (Kobayashi et al. 2020, "Attention is not only a
        weight: analyzing transformers with vector norms").
        """
        x = self._placed(x)
        rows = torch.arange(len(x), device=x.device)
        added = torch.zeros_like(x)
        added[rows, last] = x[rows, last]
        own = x[rows, last]
        for number, block in enumerate(cast(Iterable[Block], self.blocks), start=1):
            attention = block.attention.added(block.norm_attention(x), last)  # (batch, length, dim)
            added = added + attention
            own = block.finish(own, attention.sum(1) + block.attention.out.bias)
            if number < len(self.blocks):
                x = block(x)
        normed: Tensor = self.norm(own)  # (batch, dim)
        # the norm divides by a positive number that is the same for all events
        return normed, (added - added.mean(2, keepdim=True)) * self.norm.weight

    def _placed(self, x: Tensor) -> Tensor:
        placed: Tensor = self.dropout(x + self.positions(torch.arange(x.shape[1], device=x.device)))
        return placed


class Transformer(SequenceModel):
    """The Transformer as a model."""

    name = "transformer"
    encoder = TransformerEncoder
