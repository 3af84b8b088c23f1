"""What a ranker reads of users, items and the moment: tables of features in, rows of numbers out.

Which columns there are, and which go by their logarithm, the contracts say: what has no upper bound and is
never negative (counts, days, prices) is skewed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_tasks.contracts import Column, Contract

Floats = NDArray[np.float32]
# vectors of users and items that say by their product how both go together
SLOTS = ("affinity", "topics")
# a text has a number for each of its most frequent values, at most so many
MOST_LEVELS = 16


@dataclass(frozen=True)
class Known:
    """What is known at one moment, by index: row 0 is padding, NaN what is not known."""

    users: Floats  # (n_users + 1, width), what is known of the moment behind what is known of the user
    items: Floats  # (n_items + 1, width)
    affinity: Floats  # (n_users + 1, slots)
    topics: Floats  # (n_items + 1, slots)
    price_level: Floats  # (n_users + 1,), mean log1p(price) of what the user touched
    price: Floats  # (n_items + 1,), log1p


def read_numbers(
    view: Contract, table: pa.Table, levels: Mapping[str, Sequence[str]], prefix: str = ""
) -> Floats:
    """Return (rows, width): the view's numbers, and a 0 or 1 for each of the `levels` of its texts.

    Columns of the table are called by the contract's names behind the `prefix`. NaN where there is no value.
    """
    rows: list[Floats] = []
    for column in _told(view):
        if column.type == "string":
            values = table[prefix + column.name]
            known = levels[f"{view.name}__{column.name}"]
            rows += [
                pc.fill_null(pc.equal(values, each), False).to_numpy().astype(np.float32) for each in known
            ]
            continue
        numbers = read_column(table, prefix + column.name)
        rows.append(logarithm(numbers) if column.minimum == 0 and column.maximum is None else numbers)
    return np.stack(rows, axis=1)


def names_of(views: Iterable[Contract]) -> list[str]:
    """Return the names of all columns that a ranker reads, called <view>__<column>."""
    told = [f"{view.name}__{column.name}" for view in views for column in _told(view)]
    return [*told, *(f"{view.name}__{c.name}" for view in views for c in view.columns if c.name in SLOTS)]


def _told(view: Contract) -> list[Column]:
    kinds = ("float", "integer", "string")
    return [column for column in view.columns if column.type in kinds and column.name not in view.key]


def read_column(table: pa.Table, name: str) -> Floats:
    """Return a column as (rows,), NaN where there is no value."""
    return np.asarray(table[name].cast(pa.float32()).to_numpy())


def logarithm(values: Floats) -> Floats:
    """Return log1p of counts, days and prices; NaN where a value is none of these."""
    return np.log1p(np.where(values >= 0, values, np.nan))


def read_vectors(column: pa.ChunkedArray) -> Floats:
    """Return (rows, width) of the widest list, zeros behind a narrower one and where there is none.

    Snapshots from before features.affinity_dim was changed have another width than later ones: the product of two
    vectors of one snapshot stays what it is.
    """
    lists = column.combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    vectors = np.zeros((len(lists), int(lengths.max(initial=0))), np.float32)
    there = np.arange(vectors.shape[1]) < lengths[:, None]
    vectors[there] = lists.flatten().to_numpy(zero_copy_only=False)
    return vectors


def find_levels(views: Iterable[Contract], table: pa.Table) -> dict[str, list[str]]:
    """Return of each text of the views, called <view>__<column>, its most frequent values."""
    found = {}
    for name in (f"{v.name}__{c.name}" for v in views for c in _told(v) if c.type == "string"):
        counted = table[name].drop_null().value_counts().to_pylist()
        counted.sort(key=lambda each: (-each["counts"], each["values"]))
        found[name] = [each["values"] for each in counted[:MOST_LEVELS]]
    return found


def crosses(affinity: Floats, topics: Floats, price_level: Floats, price: Floats) -> Floats:
    """Return (…, 3): likeness, and how much dearer and how far from the user's prices,
    of users' and items' features, which must fit one another by NumPy's rules."""
    gap = price - price_level
    both = min(affinity.shape[-1], topics.shape[-1])  # slots that one of them lacks are zeros
    likeness = np.einsum("...s,...s->...", affinity[..., :both], topics[..., :both])
    return np.stack([likeness, gap, np.abs(gap)], axis=-1).astype(np.float32)
