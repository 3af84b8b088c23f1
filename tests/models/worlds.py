"""Small worlds whose answer is known: histories and catalogues for the models' tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_tasks.models.als import Als, AlsConfig
from pipeline_tasks.models.caser import Caser
from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.models.ease import Ease, EaseConfig
from pipeline_tasks.models.gru4rec import Gru4Rec
from pipeline_tasks.models.interface import Model, Training
from pipeline_tasks.models.item_knn import ItemKnn, ItemKnnConfig
from pipeline_tasks.models.mf import Mf
from pipeline_tasks.models.mf_fitting import MfConfig
from pipeline_tasks.models.ncf import Ncf
from pipeline_tasks.models.network import SequenceConfig
from pipeline_tasks.models.neumf import NcfConfig
from pipeline_tasks.models.popular import Popular, PopularConfig
from pipeline_tasks.models.transformer import Transformer
from pipeline_tasks.models.youtube_dnn import YoutubeDnn
from pipeline_tasks.ranking.blocks import rank_users

HOUR = 3_600
DAY = 86_400


def histories(rows: Sequence[Sequence[int]], *, until: int = 100 * DAY, types: int = 1) -> Histories:
    """Return the histories of users 1, 2, … with these items, an hour apart, the last an hour before `until`."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    times = [until - HOUR * (len(row) - place) for row in rows for place in range(len(row))]
    items = np.array([item for row in rows for item in row], dtype=np.int32)
    return Histories(
        np.arange(1, len(rows) + 1, dtype=np.int32),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        items,
        (np.arange(len(items)) % types + 1).astype(np.int8),
        np.array(times, dtype=np.int64),
    )


def catalogue(content: NDArray[Any]) -> Catalogue:
    """Return a catalogue of these rows of content, items 1, 2, …, each of length 1."""
    lengths = np.maximum(np.linalg.norm(content, axis=1, keepdims=True), 1e-9)
    rows = np.concatenate([np.zeros((1, content.shape[1])), content / lengths])
    return Catalogue(rows.astype(np.float32))


def checkerboard(users: int, items: int, seed: int = 0) -> Histories:
    """Return users who touch the items of their own colour (odd users odd items, even users even ones).

    Everybody leaves out two of them, so that what is missing is known.
    """
    generator = np.random.default_rng(seed)
    rows = []
    for user in range(1, users + 1):
        own = np.arange(1 if user % 2 else 2, items + 1, 2)
        rows.append(generator.permutation(own)[: len(own) - 2].tolist())
    return histories(rows)


def colours(items: int) -> Catalogue:
    """Return content that tells an item's colour, and a little of the item."""
    generator = np.random.default_rng(1)
    own = generator.normal(size=(items, 6)) * 0.1
    own[np.arange(items), np.arange(1, items + 1) % 2] += 1
    return catalogue(own)


TRANSFORMER = SequenceConfig(
    event_types=1,
    dim=16,
    blocks=1,
    heads=2,
    max_length=10,
    batch_events=256,
    epochs=40,
    patience=12,
    learning_rate=1e-2,
    mixed_days=False,
)
# the board has two colours: more factors than that learn who left out what
MF = MfConfig(dim=2, batch_events=64, epochs=40, patience=10, learning_rate=2e-2, zero_weight=0.3)
NCF = NcfConfig(dim=16, batch_events=64, epochs=40, patience=10, learning_rate=5e-3, dropout=0.0)
CONFIGS: dict[str, tuple[Any, Any]] = {
    "popular": (Popular, PopularConfig(until=100 * DAY)),
    "item_knn": (ItemKnn, ItemKnnConfig()),
    "ease": (Ease, EaseConfig(l2=10.0)),
    "als": (Als, AlsConfig(dim=2)),
    "mf": (Mf, MF),
    "ncf": (Ncf, NCF),
    **{kind.name: (kind, TRANSFORMER) for kind in (Transformer, Gru4Rec, Caser, YoutubeDnn)},
}


# these know an item by its events alone
BY_EVENTS = ["popular", "item_knn", "ease", "als", "mf", "ncf"]


def fitted(name: str, known: Histories, items: Catalogue, device: torch.device | None = None) -> Model:
    """Return the model fitted with its small configuration."""
    kind, config = CONFIGS[name]
    model: Model = kind.fit(known, items, config, Training(seed=3, device=device or torch.device("cpu")))
    return model


def best(model: Any, rows: list[list[int]], k: int, items: int = 24) -> list[list[int]]:
    everything = np.ones(items + 1, dtype=bool)
    blocks = rank_users(model, histories(rows), k, everything, exclude_seen=True)
    return [row.tolist() for block in blocks for row in block.items]


def assert_scores(scores: torch.Tensor) -> None:
    assert not torch.isnan(scores).any()
    assert not torch.isposinf(scores).any()
