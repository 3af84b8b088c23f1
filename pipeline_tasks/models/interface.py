"""What every model offers: fitted on histories and a catalogue, it scores items for users and says why.

Fitting is a class method `fit(histories, catalogue, config, training)`; a fitted model goes to disk as named
tensors and a JSON-able description, and comes back by `from_state`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.models.processes import ALONE, Processes

NO_REASON = -1


@dataclass(frozen=True)
class State:
    """A model at rest: its tensors, and everything else about it as JSON."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


class CheckpointPlace(Protocol):
    """Where a training run leaves what it needs to go on after being killed; writes are atomic."""

    def read(self) -> bytes | None:
        """Return what was written last, or None."""

    def write(self, data: bytes) -> None:
        """Replace what was written before."""


@dataclass(frozen=True)
class Training:
    """How a fit runs, not what comes out of it (the seed, `precision`, `compiled` and `previous` aside).

    `precision` is what a sequence model's dense layers are trained in, and `compiled` whether its network is compiled
    first; `previous` is an earlier model of the same kind to start from; `say` takes progress lines. Of several
    `processes` the first alone needs a checkpoint.
    """

    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    checkpoint: CheckpointPlace | None = None
    previous: State | None = None
    precision: torch.dtype = torch.float32
    compiled: bool = False
    processes: Processes = ALONE
    say: Callable[[str], None] = lambda line: None


class Model(Protocol):
    """A fitted model. Score tensors have a column an item, column 0 for padding.

    -inf is "never": also where the model knows nothing of the item or the user, or nothing that speaks for both.
    """

    @property
    def name(self) -> str:
        """The kind of model, as the settings call it."""

    def state(self) -> State:
        """Return what `from_state` needs."""

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> Self:
        """Return the model that `state` was taken of."""

    def at(self, catalogue: Catalogue) -> Self:
        """Return the model for a later catalogue: the same items and those that came after the fit."""

    def score(self, histories: Histories) -> Tensor:
        """Return (rows, n_items + 1): how well each item would suit each user next."""

    def similar(self, items: NDArray[np.int64]) -> Tensor:
        """Return (items, n_items + 1): how alike each item is to each of these; -inf where nothing is known."""

    def reasons(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return for `items` (rows, k), recommended to these users, the event that each follows from.

        Events are numbered as in `histories.items`; NO_REASON where there is none (and for item 0).
        """


@runtime_checkable
class EmbeddingModel(Protocol):
    """A model whose scores are inner products, so that ranking can go by blocks of items as well.

    A vector of zeros is an item, or a user, that the model knows nothing of: it is never ranked.
    """

    def encode(self, histories: Histories) -> Tensor:
        """Return (rows, dim): a vector a user."""

    def item_vectors(self) -> Tensor:
        """Return (n_items + 1, dim): a vector an item."""
