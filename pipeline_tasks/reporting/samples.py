"""Two users' lists, as a person would look at them: a version in, titles and reasons out."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing.versions import MANIFEST

POPULAR = "popular"


@dataclass(frozen=True)
class Place:
    """One place of a list: the item's title (its id where there is none), and why it is there."""

    rank: int
    item_id: str
    title: str
    why: str


@dataclass(frozen=True)
class UserList:
    """One user's list."""

    user_id: str
    places: list[Place]


def two_users(store: Store, run_date: date, version: str) -> list[UserList]:
    """Return the lists of two users of a version: one that the model knows, and one that it does not, or two.

    They are the first of the first file that has any, so that the same version shows the same two.
    """
    rows = _first_rows(store, version)
    if rows is None:
        return []
    chosen = _choose(rows)
    titles = _titles(store, run_date, rows.filter(pc.is_in(rows["user_id"], value_set=pa.array(chosen))))
    lists = []
    for user in chosen:
        own = sorted(rows.filter(pc.equal(rows["user_id"], user)).to_pylist(), key=lambda row: row["rank"])
        lists.append(UserList(user, [_place(row, titles) for row in own]))
    return lists


def _first_rows(store: Store, version: str) -> pa.Table | None:
    """Return the first row group that holds rows; of a large table only this is read."""
    folder = f"{layout.version(version)}/top_n/"
    if not store.exists(f"{layout.version(version)}/{MANIFEST}"):
        return None
    for key in store.keys(folder):
        with store.open(key) as handle, pq.ParquetFile(handle) as file:
            if file.metadata.num_rows:
                return file.read_row_group(0)
    return None


def _choose(rows: pa.Table) -> list[str]:
    """Return the first user whose list begins with the model's choice, and the first for whom it does not."""
    best = rows.filter(pc.equal(rows["rank"], 1))
    first = dict(zip(best["user_id"].to_pylist(), best["source"].to_pylist(), strict=True))
    # the last user of the group may go on in the next one
    users = list(first)[:-1] if len(first) > 2 else list(first)
    known = [user for user in users if first[user] != POPULAR]
    unknown = [user for user in users if first[user] == POPULAR]
    return [*known[:1], *unknown[:1], *known[1:2], *unknown[1:2]][:2]


def _titles(store: Store, run_date: date, rows: pa.Table) -> dict[str, str]:
    """Return the titles of the items that the rows name, where there are any."""
    partition = layout.night("training/items", run_date)
    if tables.read_commit(store, partition) is None:
        return {}
    known = tables.read_table(store, partition, "dataset", columns=["item_id", "title"])
    wanted = pa.concat_arrays([rows["item_id"].combine_chunks(), rows["reason"].combine_chunks()]).unique()
    found = known.filter(pc.and_(pc.is_in(known["item_id"], value_set=wanted), pc.is_valid(known["title"])))
    return dict(zip(found["item_id"].to_pylist(), found["title"].to_pylist(), strict=True))


def _place(row: dict[str, Any], titles: dict[str, str]) -> Place:
    reason = row["reason"]
    why = f"popular: {reason}" if row["source"] == POPULAR else f"after {titles.get(reason, reason)}"
    return Place(row["rank"], row["item_id"], titles.get(row["item_id"], row["item_id"]), why)
