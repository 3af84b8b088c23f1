"""What the ranker learns from and looks at, read from the lake: examples with features, a moment's snapshots."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_tasks.contracts import CONTEXT_FEATURES, FEATURE_VIEWS, ITEM_FEATURES, USER_FEATURES, Contract
from pipeline_tasks.evaluation.splits import DAY_SECONDS
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.models.ranker import Ranker
from pipeline_tasks.ranking.features import (
    Floats,
    Known,
    crosses,
    find_levels,
    logarithm,
    names_of,
    read_column,
    read_numbers,
    read_vectors,
)
from pipeline_tasks.ranking.rerank import Reranker
from pipeline_tasks.training_data import MADE_BY, TrainingData

KEYS = ["example_group", "user_index", "item_index", "label", "time", "warm", "log_expected"]
USER, ITEM = (f"{view.name}__" for view in (USER_FEATURES, ITEM_FEATURES))
Levels = dict[str, list[str]]


@dataclass(frozen=True)
class JoinedExamples:
    """Groups of an item that a user took, at place 0, and of others drawn against it, with features of the time."""

    users: NDArray[np.int32]  # (groups,), by index
    days: NDArray[np.int64]  # (groups,), the midnight before, Unix seconds
    items: NDArray[np.int32]  # (groups, places), by index, 0 where there is none
    log_expected: Floats  # (groups, places)
    levels: Levels
    of_users: Floats  # (groups, features of the user and the moment)
    of_items: Floats  # (groups, places, features of the item)
    crossed: Floats  # (groups, places, features of both)


def read_examples(store: Store, run_date: date, since: int, before: int) -> JoinedExamples:
    """Read the examples of [since, before), Unix seconds, whose user and item had been there the day before.

    Of an item that a user had several events with on a day, the first counts. Raises Refused where `dataset`
    has not written them.
    """
    columns = [*KEYS, *names_of(FEATURE_VIEWS.values())]
    table = tables.read_table(store, layout.night("training/examples", run_date), MADE_BY, columns)
    time = pc.field("time")
    table = table.filter((time >= since) & (time < before) & pc.field("warm"))
    taken = table.filter(pc.field("label") == 1)
    days = taken["time"].to_numpy() // DAY_SECONDS * DAY_SECONDS
    keys = np.stack([taken["user_index"].to_numpy(), taken["item_index"].to_numpy(), days])
    _, first = np.unique(keys, axis=1, return_index=True)
    kept = taken["example_group"].take(pa.array(np.sort(first)))
    return _grouped(table.filter(pc.is_in(table["example_group"], kept)))


def _grouped(table: pa.Table) -> JoinedExamples:
    """Return examples that lie by group, the taken item first, as arrays."""
    begins = np.flatnonzero(table["label"].to_numpy() == 1)
    group = np.cumsum(table["label"].to_numpy() == 1) - 1
    place = np.arange(table.num_rows) - begins[group]
    shape = len(begins), int(place.max(initial=0)) + 1

    def placed(values: NDArray[Any], nothing: float) -> NDArray[Any]:
        spread = np.full((*shape, *values.shape[1:]), nothing, values.dtype)
        spread[group, place] = values
        return spread

    views = FEATURE_VIEWS.values()
    levels = find_levels(views, table)
    taken = table.take(pa.array(begins))
    crossed = crosses(
        read_vectors(table[f"{USER}affinity"]),
        read_vectors(table[f"{ITEM}topics"]),
        read_column(table, f"{USER}price_level"),
        logarithm(read_column(table, f"{ITEM}price")),
    )
    return JoinedExamples(
        users=taken["user_index"].to_numpy(),
        days=taken["time"].to_numpy() // DAY_SECONDS * DAY_SECONDS,
        items=placed(table["item_index"].to_numpy(), 0),
        log_expected=placed(table["log_expected"].to_numpy(), 0.0),
        levels=levels,
        of_users=np.concatenate(
            [
                read_numbers(view, taken, levels, f"{view.name}__")
                for view in (USER_FEATURES, CONTEXT_FEATURES)
            ],
            axis=1,
        ),
        of_items=placed(read_numbers(ITEM_FEATURES, table, levels, ITEM), np.nan),
        crossed=placed(crossed, np.nan),
    )


def read_known(store: Store, run_date: date, data: TrainingData, levels: Levels, moment: int) -> Known | None:
    """Return what the snapshots of `moment` (Unix seconds, a midnight) say; None where the night has none of it.

    The hour is the busiest of the day that begins then: when a list will be looked at is not known.
    """
    day = datetime.fromtimestamp(moment, UTC).date() - timedelta(days=1)
    views = USER_FEATURES, ITEM_FEATURES, CONTEXT_FEATURES
    users, items, context = (_snapshot(store, run_date, view, day) for view in views)
    if users is None or items is None or context is None:
        return None
    user_ids = pa.array(["", *data.user_ids], pa.string())
    now = read_numbers(CONTEXT_FEATURES, _busiest(context, (day + timedelta(days=1)).weekday()), levels)
    of_users = _by_index(read_numbers(USER_FEATURES, users, levels), users["user_id"], user_ids)
    return Known(
        users=np.concatenate([of_users, np.repeat(now, len(user_ids), axis=0)], axis=1),
        items=_by_index(read_numbers(ITEM_FEATURES, items, levels), items["item_id"], data.item_ids),
        affinity=np.nan_to_num(_by_index(read_vectors(users["affinity"]), users["user_id"], user_ids)),
        topics=np.nan_to_num(_by_index(read_vectors(items["topics"]), items["item_id"], data.item_ids)),
        price_level=_by_index(read_column(users, "price_level"), users["user_id"], user_ids),
        price=_by_index(logarithm(read_column(items, "price")), items["item_id"], data.item_ids),
    )


def _snapshot(store: Store, run_date: date, view: Contract, day: date) -> pa.Table | None:
    """Return a view's snapshot at the end of `day`, None where there was none when the night was made."""
    partition = layout.night(f"features/{view.name}", day)
    commit = tables.read_commit(store, partition)
    if commit is None or commit.facts["written_by"] > str(run_date):
        return None
    names = [name.partition("__")[2] for name in names_of([view])]
    return tables.read_table(store, partition, "features", [view.key[0], *names])


def _busiest(context: pa.Table, weekday: int) -> pa.Table:
    """Return the row of the weekday's busiest hour."""
    day = context.filter(pc.equal(context["weekday"], weekday)).sort_by(
        [("activity", "descending"), ("hour", "ascending")]
    )
    return day.slice(0, 1)


def _by_index(values: Floats, ids: pa.ChunkedArray, known: pa.Array) -> Floats:
    """Return the values of `ids` at their places among the `known`, NaN where there are none."""
    spread = np.full((len(known), *values.shape[1:]), np.nan, np.float32)
    place = pc.index_in(ids.cast(pa.string()), value_set=known)
    there = place.is_valid().to_numpy()
    spread[place.drop_null().to_numpy()] = values[there]
    return spread


def open_reranker(
    store: Store, run_date: date, data: TrainingData, ranker: Ranker | None, moment: int, candidates: int
) -> Reranker | None:
    """Return the ranker with what was known at the moment; None without one, or where nothing is known.

    Also for one that was fitted on other features than the contracts have today: its model ranks alone.
    """
    if ranker is None or ranker.features != names_of(FEATURE_VIEWS.values()):
        return None
    known = read_known(store, run_date, data, ranker.levels, moment)
    return Reranker(ranker, known, candidates) if known else None
