"""A causal Transformer: vectors of events in, at each event what comes next out.

Kang and McAuley 2018, "Self-attentive sequential recommendation", with pre-norm blocks.
"""

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

    def newest(self, x: Tensor, last: Tensor) -> Tensor:
        """Return (batch, dim), the outcome at the places `last` (batch,) alone."""
        batch, length, dim = x.shape
        q, k, v = self.qkv.weight.chunk(3)
        q_bias, k_bias, v_bias = self.qkv.bias.chunk(3)
        newest = x[torch.arange(batch, device=x.device), last]  # (batch, dim)
        shape = batch, length, self.heads, dim // self.heads
        y = F.scaled_dot_product_attention(
            F.linear(newest, q, q_bias).view(batch, self.heads, 1, -1),
            F.linear(x, k, k_bias).view(shape).transpose(1, 2),
            F.linear(x, v, v_bias).view(shape).transpose(1, 2),
            (torch.arange(length, device=x.device) <= last[:, None])[:, None, None],
        )  # (batch, heads, 1, dim / heads)
        out: Tensor = self.out(y.reshape(batch, dim))
        return out


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

    def newest(self, x: Tensor, last: Tensor) -> Tensor:
        """Return (batch, dim), the outcome at the places `last` (batch,) alone."""
        own = x[torch.arange(len(x), device=x.device), last]
        own = own + self.attention.newest(self.norm_attention(x), last)
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

    def newest(self, x: Tensor, last: Tensor) -> Tensor:
        """Of the last block only the places `last` are worked out: no other is looked at."""
        x = self._placed(x)
        *blocks, newest = self.blocks
        for block in blocks:
            x = block(x)
        states = newest.newest(x, last)  # type: ignore[operator]
        normed: Tensor = self.norm(states)  # (batch, dim)
        return normed

    def _placed(self, x: Tensor) -> Tensor:
        placed: Tensor = self.dropout(x + self.positions(torch.arange(x.shape[1], device=x.device)))
        return placed


class Transformer(SequenceModel):
    """The Transformer as a model."""

    name = "transformer"
    encoder = TransformerEncoder
