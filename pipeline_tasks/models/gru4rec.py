"""A recurrent network: vectors of events in, at each event what comes next out.

Hidasi et al. 2016, "Session-based recommendations with recurrent neural networks" (GRU4Rec).
"""

from torch import Tensor, nn

from pipeline_tasks.models.network import Dropout, Encoder, SequenceConfig
from pipeline_tasks.models.sequence_model import SequenceModel


class GruEncoder(Encoder):
    """Gated recurrent units, a layer a block, with dropout on what goes in and what comes out."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__(config)
        self.dropout = Dropout(config.dropout)
        self.layers = nn.GRU(config.dim, config.dim, config.blocks, batch_first=True)
        self.out = nn.Linear(config.dim, config.dim)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.layers(self.dropout(x))
        out: Tensor = self.out(self.dropout(states))  # (batch, length, dim)
        return out


class Gru4Rec(SequenceModel):
    """GRU4Rec as a model."""

    name = "gru4rec"
    encoder = GruEncoder
