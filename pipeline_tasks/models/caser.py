"""Convolutions over the last few events: vectors of events in, at each event what comes next out.

Tang and Wang 2018, "Personalized top-N sequential recommendation via convolutional sequence embedding"
(Caser), at every event at once and without the embedding of the user, who may have come after the fit.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline_tasks.models.network import Dropout, Encoder, SequenceConfig
from pipeline_tasks.models.sequence_model import SequenceModel

WINDOW = 5  # events under the filters; the paper's L
HORIZONTAL, VERTICAL = 16, 4  # filters of each height, and filters over the window's whole height


class CaserEncoder(Encoder):
    """Filters of every height, their largest answers, and weighted sums over the window, then a dense layer."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__(config)
        self.horizontal = nn.ModuleList(
            nn.Conv1d(config.dim, HORIZONTAL, height) for height in range(1, WINDOW + 1)
        )
        self.vertical = nn.Linear(WINDOW, VERTICAL, bias=False)
        self.dropout = Dropout(config.dropout)
        self.dense = nn.Linear(HORIZONTAL * WINDOW + VERTICAL * config.dim, config.dim)
        self.out = nn.Linear(2 * config.dim, config.dim)

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (0, 0, WINDOW - 1, 0))
        windows = padded.unfold(1, WINDOW, 1)  # (batch, length, dim, window)
        flat = windows.flatten(0, 1)  # (batch * length, dim, window)
        answers = [torch.relu(filters(flat)).amax(2) for filters in self.horizontal]
        sums = self.vertical(windows).flatten(2)  # (batch, length, dim * vertical)
        seen = torch.cat([torch.cat(answers, 1).view(*x.shape[:2], -1), sums], 2)
        dense = torch.relu(self.dense(self.dropout(seen)))
        out: Tensor = self.out(torch.cat([dense, x], 2))  # (batch, length, dim)
        return out


class Caser(SequenceModel):
    """Caser as a model."""

    name = "caser"
    encoder = CaserEncoder
