"""The night's training tables in the lake, as arrays that models, evaluation and recommendation read."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline_tasks.evaluation.splits import Holdout
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.models.data import Catalogue, Histories

MADE_BY = "dataset"
IDS_AT_ONCE = 100_000


@dataclass(frozen=True)
class Numbering:
    """Whom the integers 1 .. `users` and 1 .. `items` stand for: the SHA-256 of their ids, in order."""

    users: int
    items: int
    sha256: str


@dataclass(frozen=True)
class TrainingData:
    """All that is known at the end of the night.

    `histories` has a row a user with events; `weights` are those of the event types, the first padding's.
    `item_ids` and `available` are by item_index (0 is padding); users are by user_index from 1. `items` are the rows
    of training/items, in that order.
    """

    histories: Histories
    catalogue: Catalogue
    item_ids: pa.Array  # (n_items + 1,) string
    available: NDArray[np.bool_]  # (n_items + 1,)
    user_ids: list[str]
    segments: list[list[str]]
    holdout: Holdout
    weights: tuple[float, ...]
    inputs: dict[str, str]
    event_types: tuple[str, ...]
    items: pa.Table

    def numbering(self, users: int | None = None, items: int | None = None) -> Numbering:
        """Return whom the first `users` and `items` integers stand for, by default all."""
        people, things = self.user_ids[:users], self.item_ids[1:][:items].to_pylist()
        digest = hashlib.sha256()
        for ids in (people, things):
            for first in range(0, len(ids), IDS_AT_ONCE):
                digest.update(json.dumps(ids[first : first + IDS_AT_ONCE]).encode())
            digest.update(b";")
        return Numbering(len(people), len(things), digest.hexdigest())


def read_training_data(store: Store, run_date: date) -> TrainingData:
    """Read the night's training tables; raises Refused where `dataset` has not written them."""
    names = [f"training/{name}" for name in ("sequences", "items", "users", "split")]
    commits = {name: tables.require_commit(store, layout.night(name, run_date), MADE_BY) for name in names}
    sequences, items, users = (
        tables.read_table(store, layout.night(name, run_date), MADE_BY) for name in names[:3]
    )
    split: dict[str, Any] = commits["training/split"].facts
    ids = pa.concat_arrays([pa.array([""]), items.column("item_id").combine_chunks().cast(pa.string())])
    available = items.column("available").to_numpy(zero_copy_only=False).astype(bool)
    return TrainingData(
        histories=Histories.from_table(sequences),
        catalogue=Catalogue.from_table(items),
        item_ids=ids,
        available=np.concatenate([[False], available]),
        user_ids=users.column("user_id").to_pylist(),
        segments=users.column("segments").to_pylist(),
        holdout=Holdout(
            split["holdout_days"], split["cut"], split["end"], split["warm_users"], split["enough"]
        ),
        weights=(0.0, *commits["training/sequences"].facts["event_weights"]),
        inputs={layout.night(name, run_date): commit.digest for name, commit in commits.items()},
        event_types=tuple(commits["training/sequences"].facts["event_types"]),
        items=items,
    )
