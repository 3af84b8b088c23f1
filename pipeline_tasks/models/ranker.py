"""The second stage: what retrieval thought of candidates and what is known of them in, an order of them out.

A small deep network in the manner of Covington, Adams and Sargin 2016, "Deep neural networks for YouTube
recommendations", over features of the user and the moment, of the item, and of the pair. A score is what
retrieval gave, by a learnt weight, plus what the network adds, which is nothing before training: it begins
with retrieval's order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline_tasks.models import loop
from pipeline_tasks.models.checkpoint import config_of
from pipeline_tasks.models.interface import State, Training
from pipeline_tasks.models.schedule import Schedule

# standardized values are cut here: a feature that runs away must not carry the score with it
FARTHEST = 5.0
# weights of retrieval's score that are tried before training, in standard deviations of it
FIRST_WEIGHTS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
# examples that these weights are tried on, at most
TRIED_ON = 10_000
# the first feature of a pair: how far the candidate's score is below the best candidate's, see gaps_below
GAP = 0


@dataclass(frozen=True)
class RankerConfig:
    """The network's shape and how it is trained; the settings of the same names say what each is."""

    levels: dict[str, list[str]]
    """Of each text among the features the values that have a number."""
    features: tuple[str, ...] = ()
    """The names of the features, in order: one that was fitted on others is of no use."""
    hidden: int = 64
    dropout: float = 0.1
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    batch_groups: int = 256
    epochs: int = 20
    patience: int = 4


@dataclass(frozen=True)
class RankingExamples:
    """Groups of one item that a user took and others drawn against it: the first of each group is the taken one.

    NaN is a feature that is not known. `log_expected` is the logarithm of how often an item would be drawn;
    `there` says where a group has an item at all.
    """

    users: NDArray[np.float32]  # (groups, user features)
    items: NDArray[np.float32]  # (groups, places, item features)
    pairs: NDArray[np.float32]  # (groups, places, pair features)
    log_expected: NDArray[np.float32]  # (groups, places)
    there: NDArray[np.bool_]  # (groups, places)

    def __len__(self) -> int:
        return len(self.users)


class Standardized(nn.Module):
    """Features (…, width) in; standardized ones and which were not known out, (…, 2 · width)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def fit(self, values: Tensor) -> None:
        """Take mean and deviation of (rows, width); what is not finite does not count."""
        finite = values.isfinite()
        known = torch.where(finite, values, 0.0).double()
        counts = finite.sum(0).clamp(min=1)
        mean = known.sum(0) / counts
        spread = (torch.where(finite, known - mean, 0.0).square().sum(0) / counts).sqrt()
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(spread > 1e-6, spread, 1.0))

    def forward(self, values: Tensor) -> Tensor:
        missing = values.isnan()
        standard = ((values - self.mean) / self.deviation).clamp(-FARTHEST, FARTHEST)
        return torch.cat([standard.masked_fill(missing, 0.0), missing.float()], -1)


class RankerNetwork(nn.Module):
    """Three parts that meet in the first layer, so that a user's and an item's own part is worked out once."""

    def __init__(self, config: RankerConfig, users: int, items: int, pairs: int) -> None:
        super().__init__()
        hidden = config.hidden
        self.of_users = nn.Sequential(Standardized(users), nn.Linear(2 * users, hidden))
        self.of_items = nn.Sequential(Standardized(items), nn.Linear(2 * items, hidden, bias=False))
        self.of_pairs = nn.Sequential(Standardized(pairs), nn.Linear(2 * pairs, hidden, bias=False))
        last = nn.Linear(hidden // 2, 1, bias=False)
        nn.init.zeros_(last.weight)
        self.rest = nn.Sequential(
            nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(hidden, hidden // 2), nn.ReLU(), last
        )
        self.retrieval = nn.Parameter(torch.ones(()))

    def forward(self, users: Tensor, items: Tensor, pairs: Tensor) -> Tensor:
        """Return (rows, places) of parts (rows, hidden), (rows, places, hidden) and pairs (rows, places, width)."""
        first = users[:, None] + items + self.of_pairs(pairs)
        added: Tensor = self.rest(first)[..., 0]
        return self.retrieval * pairs[..., GAP] + added


class Ranker:
    """A fitted network; `facts` say how training went."""

    name = "ranker"

    def __init__(self, network: RankerNetwork, facts: dict[str, Any]) -> None:
        self.network = network.eval()
        self.facts = facts

    @property
    def levels(self) -> dict[str, list[str]]:
        """Of each text among the features the values that have a number."""
        found: dict[str, list[str]] = self.facts["config"]["levels"]
        return found

    @property
    def features(self) -> list[str]:
        """The names of the features that it was fitted on, in order."""
        return list(self.facts["config"]["features"])

    @classmethod
    def fit(
        cls,
        examples: RankingExamples,
        judge: Callable[["Ranker"], float],
        config: RankerConfig,
        training: Training,
    ) -> Self | None:
        """Return the ranker that `judge` finds best after an epoch, None where it finds retrieval's order better."""
        widths = [each.shape[-1] for each in (examples.users, examples.items, examples.pairs)]
        with torch.random.fork_rng():
            torch.manual_seed(training.seed)
            network = RankerNetwork(config, *widths)
        network.to(training.device)
        fitting = _Fitting(network, examples, judge, config)
        schedule = Schedule(
            config.epochs,
            config.patience,
            config.learning_rate,
            config.weight_decay,
            section="ranking",
            less_memory="lower dataset.max_examples or ranking.hidden",
        )
        facts = loop.fit(network, fitting, schedule, config, examples, training, warm=True)
        return cls(network, {**facts, "widths": widths}) if facts["training"]["best_epoch"] else None

    def state(self) -> State:
        return State(dict(self.network.state_dict()), self.facts)

    @classmethod
    def from_state(cls, state: State, device: torch.device) -> Self:
        network = RankerNetwork(config_of(RankerConfig, state.facts), *state.facts["widths"])
        network.load_state_dict(state.tensors)
        return cls(network.to(device), state.facts)


class _Fitting:
    """The work of one fit, as the loop asks for it."""

    def __init__(
        self,
        network: RankerNetwork,
        examples: RankingExamples,
        judge: Callable[[Ranker], float],
        config: RankerConfig,
    ) -> None:
        self.network, self.config, self.judge = network, config, judge
        device = network.retrieval.device
        self.users, self.items, self.pairs, self.log_expected, self.there = (
            torch.from_numpy(values).to(device) for values in vars(examples).values()
        )
        for part, values in (
            (network.of_users, self.users),
            (network.of_items, self.items[self.there]),
            (network.of_pairs, self.pairs[self.there]),
        ):
            part[0].fit(values)  # type: ignore[operator]
        self._begin()

    def _begin(self) -> None:
        """Give retrieval's score the weight that explains the examples best."""
        with torch.no_grad():
            losses = []
            some = torch.arange(min(len(self.users), TRIED_ON))
            deviation = self.network.of_pairs[0].deviation[GAP]  # type: ignore[index]
            for weight in FIRST_WEIGHTS:
                self.network.retrieval.copy_(weight / deviation)
                losses.append(float(self._cross_entropy(some)))
            self.network.retrieval.copy_(FIRST_WEIGHTS[int(np.argmin(losses))] / deviation)

    def batches(self, generator: np.random.Generator) -> Iterator[Tensor]:
        """Yield an epoch's batches of groups."""
        order = torch.from_numpy(generator.permutation(len(self.users)))
        yield from torch.split(order, self.config.batch_groups)

    def size(self, batch: Tensor) -> int:
        """Return the groups of a batch."""
        return len(batch)

    def loss(self, batch: Tensor) -> Tensor:
        """Return the mean cross-entropy of the taken items against those drawn, with logQ correction."""
        return self._cross_entropy(batch)

    def _cross_entropy(self, batch: Tensor) -> Tensor:
        """Each item's score less the logarithm of how often it would be drawn (Bengio and Senécal 2008), as for
        `losses.sampled_softmax`; here the taken item's too, and negatives are each group's own."""
        items = self.network.of_items(self.items[batch])
        scores = self.network(self.network.of_users(self.users[batch]), items, self.pairs[batch])
        scores = (scores - self.log_expected[batch]).masked_fill(~self.there[batch], -torch.inf)
        return F.cross_entropy(scores, torch.zeros(len(batch), dtype=torch.long, device=scores.device))

    def validate(self) -> float:
        """Return what the judge finds of the network as it is."""
        return self.judge(Ranker(self.network, {"config": {"levels": self.config.levels}}))
