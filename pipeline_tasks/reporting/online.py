"""The lists that were live judged by what people then did: a night in; recall, NDCG and hit rate of them out.

A night's lists go live the morning after it and are read all that day. So the version that was live before D is
judged by the events of D, of users who had a list. Where items that a user had before are never recommended (all of
them, or those that `rules.seen` says), only others count. The day is whole (UTC), the hours before the lists went live
included, and people see what they are shown: of models that were not live these figures say nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.dataset.engine import columns
from pipeline_tasks.evaluation.intervals import Bootstrap
from pipeline_tasks.evaluation.splits import DAY_SECONDS
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.publishing import log
from pipeline_tasks.publishing.log import Entry
from pipeline_tasks.reporting.night import Absent, Night
from pipeline_tasks.seen_events import seen_condition, seen_since
from pipeline_tasks.settings import night_end

METRICS = ("recall", "ndcg", "hit_rate")

# who did something on the day, with a list or without
DAY = """
    CREATE OR REPLACE TEMP TABLE day AS SELECT DISTINCT user_id, item_id FROM {clean}
    WHERE event_time >= $1 AND event_time < $2"""
# of these at most $1 by a fixed hash, with a list
PEOPLE = """
    CREATE OR REPLACE TEMP TABLE people AS SELECT user_id, user_index FROM {users}
    SEMI JOIN day USING (user_id) SEMI JOIN {top_n} USING (user_id) ORDER BY md5(user_id) LIMIT {most}"""
SEEN = """
    CREATE OR REPLACE TEMP TABLE seen AS SELECT DISTINCT user_id, item_id FROM (
        SELECT user_id, unnest(items) AS item_index, unnest(types) AS type, unnest(times) AS time
        FROM {sequences} JOIN people USING (user_index)) JOIN {items} USING (item_index)
    WHERE time < {start} AND ({left_out})"""
WANTED = """
    CREATE OR REPLACE TEMP TABLE wanted AS SELECT user_id, item_id FROM day
    SEMI JOIN people USING (user_id) ANTI JOIN seen USING (user_id, item_id)"""
# a row a user: gain 1 an item, discounted by log2(rank + 1), over the best possible (Järvelin and Kekäläinen 2002)
JUDGED = """
    WITH hits AS (SELECT user_id, count(*) AS hits, sum(1 / log2(rank + 1)) AS gain
                  FROM wanted JOIN {lists} USING (user_id, item_id) WHERE rank <= {k} GROUP BY user_id),
    ideal AS (SELECT n, sum(1 / log2(n + 1)) OVER (ORDER BY n) AS gain FROM range(1, {k} + 1) AS places(n))
    SELECT coalesce(hits, 0) / items AS recall, coalesce(hits.gain, 0) / ideal.gain AS ndcg,
           (coalesce(hits, 0) > 0)::DOUBLE AS hit_rate
    FROM (SELECT user_id, count(*) AS items FROM wanted GROUP BY user_id)
    JOIN ideal ON n = least(items, {k}) LEFT JOIN hits USING (user_id) ORDER BY user_id"""
# everybody's popular list, less what each has seen
POPULAR = """
    CREATE OR REPLACE TEMP TABLE popular_lists AS
    SELECT user_id, item_id, row_number() OVER (PARTITION BY user_id ORDER BY rank) AS rank
    FROM (SELECT DISTINCT user_id FROM wanted) CROSS JOIN {popular}
    ANTI JOIN seen USING (user_id, item_id)
    WHERE list_name = 'all'"""
ACTIVE = """
    SELECT count(*) AS active, count(*) FILTER (user_id NOT IN (SELECT user_id FROM {lists})) AS without_list
    FROM (SELECT DISTINCT user_id FROM day)"""


@dataclass(frozen=True)
class Online:
    """What the lists of `version` came to on the day, at k: by who is judged ("live" lists, or the "popular" list
    of the same version in their place), the means over `users`, and their intervals. `without_list` did something
    on the day and had no list; the rest of `active` did nothing that counts.
    """

    version: str
    night: str
    day: str
    k: int
    only_new: bool
    users: int
    active: int
    without_list: int
    metrics: dict[str, dict[str, float]]
    intervals: dict[str, dict[str, list[float]]]


def judge(night: Night) -> Online:
    """Judge the lists that were live before the night, by at most `evaluate.max_users` users' events.

    Raises Absent where nothing was live, or where the night has no tables.
    """
    entry = log.newest_before(night.store, night.run_date)
    if entry is None:
        raise Absent("nothing was live before this night")
    wanted, left_out = night.settings.evaluate, _left_out(night)
    only_new = left_out != "false"
    k = wanted.k
    lists = night.version(entry.version, entry.manifest_sha256)
    _define_truth(night, lists, left_out)
    values = {"live": _values(night, lists, k)}
    users = len(values["live"])
    if users:
        values["popular"] = _values(night, _popular_lists(night, entry), k)
    bootstrap = Bootstrap(wanted.confidence, wanted.resamples, night.settings.seed)
    return Online(
        version=entry.version,
        night=entry.run_date,
        day=str(night.run_date),
        k=k,
        only_new=only_new,
        users=users,
        **night.rows(ACTIVE.format(lists=lists))[0],
        metrics={who: _named(own.mean(axis=0).tolist(), k) for who, own in values.items() if users},
        intervals={who: _named(bootstrap.intervals(own).tolist(), k) for who, own in values.items() if users},
    )


def _left_out(night: Night) -> str:
    """Return the condition on what a user has had of items that lists leave out (`type`, `time`), in SQL."""
    if night.settings.recommend.exclude_seen:
        return "true"
    sequences = tables.read_commit(night.store, layout.night("training/sequences", night.run_date))
    types: list[str] = sequences.facts.get("event_types", []) if sequences else []
    # the lists that were live were made at the end of the day before
    start = int(night_end(night.run_date).timestamp()) - DAY_SECONDS
    return seen_condition(seen_since(night.settings.rules.seen, types, start), "type", "time")


def _define_truth(night: Night, lists: str, left_out: str) -> None:
    """Make the tables `day`, `people`, `seen` and `wanted` (user_id, item_id): what the lists should have held."""
    end = night_end(night.run_date)
    start = end - timedelta(days=1)
    clean = night.table("clean/interactions")
    night.engine.execute(DAY.format(clean=clean), [start, end])
    users, most = night.table("training/users"), night.settings.evaluate.max_users
    night.engine.execute(PEOPLE.format(users=users, top_n=lists, most=most))
    sequences, items = (night.table(f"training/{name}") for name in ("sequences", "items"))
    seen = SEEN.format(sequences=sequences, items=items, start=int(start.timestamp()), left_out=left_out)
    night.engine.execute(seen)
    night.engine.execute(WANTED)


def _popular_lists(night: Night, entry: Entry) -> str:
    """Make the table of what popular items would have been in these users' lists; return its name."""
    popular = night.version(entry.version, entry.manifest_sha256, "popular")
    night.engine.execute(POPULAR.format(popular=popular))
    return "popular_lists"


def _values(night: Night, lists: str, k: int) -> NDArray[np.float64]:
    """Return (users, 3): every user's recall, NDCG and hit."""
    found = columns(night.engine, JUDGED.format(lists=lists, k=k))
    return np.stack([found[name].astype(np.float64) for name in METRICS], axis=1)


def _named(values: Iterable[float | list[float]], k: int) -> dict[str, Any]:
    return {f"{name}@{k}": value for name, value in zip(METRICS, values, strict=True)}
