"""EASE^R: every item predicted from all others, in closed form. Histories in, a dense item-item matrix out.

Steck 2019, "Embarrassingly shallow autoencoders for sparse data". With n items that have events, the matrix
takes 4 n² bytes, and fitting three times that and some n³ operations: hence `max_items`.
"""

import time
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline_tasks.errors import Refused
from pipeline_tasks.models.checkpoint import config_of
from pipeline_tasks.models.data import Catalogue, Histories, ranges
from pipeline_tasks.models.interface import NO_REASON, State, Training
from pipeline_tasks.models.tastes import Tastes, heaviest_event, pieces, tastes_of

# pairs of items of one user, or of a user's item and a recommended one, at a time
PAIRS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class EaseConfig:
    """`l2` on the matrix, `weights` of the event types (the first is padding's)."""

    l2: float = 250.0
    max_items: int = 20_000
    max_history: int = 200
    weights: tuple[float, ...] = (0.0, 1.0)


class Ease:
    """`links` (known + 1, known): what each item that had events (row 0: any other) says of each such item.

    A sum of links at or below zero speaks against an item, or says nothing of it: such an item is never
    ranked, and has the score -inf as one without events has.
    """

    name = "ease"

    def __init__(self, config: EaseConfig, n_items: int, known: Tensor, links: Tensor) -> None:
        self.config = config
        self.known = known  # (known,) items, in order
        self.links = links
        self._place = torch.zeros(n_items + 1, dtype=torch.long, device=known.device)
        self._place[known] = torch.arange(1, len(known) + 1, device=known.device)

    @classmethod
    def fit(cls, histories: Histories, catalogue: Catalogue, config: EaseConfig, training: Training) -> Self:
        tastes = tastes_of(histories.last(config.max_history), config.weights)
        known = np.unique(tastes.items)
        if len(known) > config.max_items:
            raise Refused(
                f"ease keeps a number for every pair of items, and {len(known):,} items have events "
                f"(at most {config.max_items:,})",
                "train another model, or raise train.ease_max_items where memory allows 16 bytes a pair",
            )
        started = time.monotonic()
        gram = _gram(tastes, known).to(training.device)
        training.say(f"{len(known):,} items, pairs counted in {time.monotonic() - started:.1f} s")
        links = _links(gram, config.l2)
        training.say(f"solved, {time.monotonic() - started:.1f} s in all")
        return cls(config, catalogue.n_items, torch.from_numpy(known).to(training.device), links)

    def state(self) -> State:
        facts = {"config": asdict(self.config), "n_items": len(self._place) - 1}
        return State({"known": self.known, "links": self.links}, facts)

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> Self:
        return cls(
            config_of(EaseConfig, state.facts),
            state.facts["n_items"],
            state.tensors["known"].to(device),
            state.tensors["links"].to(device),
        )

    def at(self, catalogue: Catalogue) -> Self:
        return type(self)(self.config, catalogue.n_items, self.known, self.links)

    def score(self, histories: Histories) -> Tensor:
        tastes = tastes_of(histories, self.config.weights)
        if not len(self.known) or not len(tastes.items):
            return self._spread(self.links.new_zeros(len(histories), len(self.known)))
        sums = F.embedding_bag(
            self._places(tastes.items),
            self.links,
            torch.from_numpy(tastes.offsets[:-1]).to(self.links.device),
            mode="sum",
            per_sample_weights=torch.from_numpy(tastes.weights).to(self.links),
        )  # (rows, known)
        return self._spread(sums)

    def similar(self, items: NDArray[np.int64]) -> Tensor:
        """What each item says of all others."""
        return self._spread(self.links[self._places(items)])

    def reasons(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.int64]:
        """The event whose item adds most to the score; of equals the newest."""
        tastes, device = tastes_of(histories, self.config.weights), self.links.device
        events = torch.full(items.shape, NO_REASON, dtype=torch.long)
        if not len(self.known):
            return events.numpy()
        wanted = torch.from_numpy(items).to(device).long()
        for rows in tastes.alike(max(1, PAIRS_AT_ONCE // max(1, items.shape[1]))):
            own, weights, newest = tastes.padded(rows, device)  # (batch, pairs)
            asked = self._place[wanted[rows]]  # (batch, k)
            adds = self.links[self._place[own][:, :, None], (asked - 1).clamp(min=0)[:, None]]
            adds = adds * weights[:, :, None] * (asked > 0)[:, None]  # (batch, pairs, k)
            events[rows] = heaviest_event(adds, newest, wanted[rows]).cpu()
        return events.numpy()

    def _places(self, items: NDArray[np.int64]) -> Tensor:
        return self._place[torch.from_numpy(items).to(self._place.device)]

    def _spread(self, sums: Tensor) -> Tensor:
        """Return (rows, n_items + 1) of the (rows, known) sums that speak for an item, else -inf."""
        scores = sums.new_full((len(sums), len(self._place)), -torch.inf)
        scores[:, self.known] = sums.masked_fill(sums <= 0, -torch.inf)
        return scores


def _gram(tastes: Tastes, known: NDArray[np.int64]) -> Tensor:
    """Return (known, known), the sum over users of the products of their weights."""
    n, lengths = len(known), tastes.lengths
    place = np.searchsorted(known, tastes.items)
    gram = torch.zeros(n * n)
    for first, last in pieces(lengths**2, PAIRS_AT_ONCE):
        own = np.arange(tastes.offsets[first], tastes.offsets[last])
        partners = lengths[tastes.rows[own]]
        other = ranges(tastes.offsets[tastes.rows[own]], partners)  # every item of the same user
        cell = np.repeat(place[own] * n, partners) + place[other]
        product = np.repeat(tastes.weights[own], partners) * tastes.weights[other]
        gram.index_add_(0, torch.from_numpy(cell), torch.from_numpy(product).float())
    return gram.view(n, n)


def _links(gram: Tensor, l2: float) -> Tensor:
    """Return (known + 1, known): row 0 is zero, the others B = I - P / diag(P), P = (gram + l2 I)^-1."""
    n = len(gram)
    links = gram.new_zeros(n + 1, n)
    if n:
        gram.diagonal().add_(l2)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
        torch.div(inverse, -inverse.diagonal(), out=links[1:])
        links[1:].diagonal().zero_()
    return links
