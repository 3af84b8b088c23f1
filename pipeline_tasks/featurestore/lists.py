"""A version's lists for services: the version in, a row a user in Feast's online store, keyed by (version, user), out.

Pushed before the version goes live, they are asked for by nobody until it is. Pushing again writes the same rows.
"""

import sqlite3
from contextlib import closing
from datetime import date, datetime

import numpy as np
import pyarrow as pa
from feast import FeatureStore

from pipeline_tasks.contracts import ONLINE_LISTS
from pipeline_tasks.errors import NightjarError
from pipeline_tasks.featurestore.opening import open_feature_store
from pipeline_tasks.publishing.refill import groups_of_lists
from pipeline_tasks.reader import Version
from pipeline_tasks.settings import Settings, night_end

COLUMNS = ["user_id", "rank", "item_id", "score", "reason"]
# of top_n, that are pushed together
ROWS_AT_A_TIME = 200_000


def push(settings: Settings, version: Version, oldest: date) -> int:
    """Write the version's lists online and return how many; rows of nights before `oldest` leave an embedded store.

    Raises NightjarError where the store fails: rows that are there already do no harm.
    """
    stamp, pushed = night_end(version.run_date), 0
    with open_feature_store(settings) as store:
        try:
            for rows in groups_of_lists(version.batches("top_n", COLUMNS), ROWS_AT_A_TIME):
                lists = by_user(rows, version.name, stamp)
                store.write_to_online_store(ONLINE_LISTS.name, lists.to_pandas())
                pushed += lists.num_rows
            _forget_before(store, oldest)
        except NightjarError:
            raise
        except Exception as error:  # each kind of store raises errors of its own
            raise NightjarError(
                f"the lists of {version.name} could not be put online: {type(error).__name__}: {error}",
                "nothing has gone live; see the online store of features.feast, and run it again",
            ) from error
    return pushed


def by_user(rows: pa.Table, version: str, stamp: datetime) -> pa.Table:
    """Return a row a user of ONLINE_LISTS from whole lists (user_id, rank, item_id, score, reason) in order."""
    rows = rows.combine_chunks()
    begins = np.flatnonzero(rows["rank"].to_numpy() == 1)
    offsets = pa.array(np.append(begins, rows.num_rows), pa.int32())
    users = rows["user_id"].take(pa.array(begins))
    columns = {
        "version": pa.repeat(version, len(begins)),
        "user_id": users,
        "event_timestamp": pa.repeat(pa.scalar(stamp, pa.timestamp("us", "UTC")), len(begins)),
    }
    for name, column in {"item_ids": "item_id", "scores": "score", "reasons": "reason"}.items():
        columns[name] = pa.ListArray.from_arrays(offsets, rows[column].chunk(0))
    return pa.table(columns)


def _forget_before(store: FeatureStore, oldest: date) -> None:
    """Remove the lists of nights before `oldest` from SQLite; Feast deletes no rows, and other stores let theirs expire."""
    config = store.config
    if config.online_store.type != "sqlite":
        return
    end = night_end(oldest).replace(tzinfo=None)  # as Feast's adapter has written it
    with closing(sqlite3.connect(config.repo_path / config.online_store.path)) as connection, connection:
        connection.execute(f'DELETE FROM "{store.project}_{ONLINE_LISTS.name}" WHERE event_ts < ?', [end])  # noqa: S608
