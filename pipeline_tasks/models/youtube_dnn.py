"""A deep network over the mean of what was seen: vectors of events in, at each event what comes next out.

Covington et al. 2016, "Deep neural networks for YouTube recommendations": its candidate generation, at every
event at once.
"""

import torch
from torch import Tensor, nn

from pipeline_tasks.models.network import Dropout, Encoder, SequenceConfig
from pipeline_tasks.models.sequence_model import SequenceModel


class DnnEncoder(Encoder):
    """The mean of the events so far beside the newest one, through a narrowing tower."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__(config)
        dim = config.dim
        self.dropout = Dropout(config.dropout)
        self.tower = nn.Sequential(
            nn.Linear(2 * dim, 4 * dim),
            nn.ReLU(),
            nn.Linear(4 * dim, 2 * dim),
            nn.ReLU(),
            nn.Linear(2 * dim, dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        counts = torch.arange(1, x.shape[1] + 1, device=x.device)[:, None]
        means = x.cumsum(1) / counts  # (batch, length, dim)
        out: Tensor = self.tower(self.dropout(torch.cat([means, x], 2)))
        return out


class YoutubeDnn(SequenceModel):
    """The candidate generation of YouTube as a model."""

    name = "youtube_dnn"
    encoder = DnnEncoder
