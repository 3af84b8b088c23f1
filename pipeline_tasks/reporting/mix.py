"""What the lists show: a night's version in; its mix of categories, of popular and rare, of new and known out."""

from dataclasses import dataclass
from typing import Any

from pipeline_tasks.item_attributes import LEVELS
from pipeline_tasks.publishing import health
from pipeline_tasks.reporting.night import Absent, Night

# bands of popularity: items, the most popular first, up to these shares of the last 30 days' events
HEAD, MIDDLE = 0.5, 0.8
CATEGORIES = 8
NEW_DAYS = 7

# one row an item of the catalogue: its first category (or tag), events, band, places in the lists, and whether it is new
ITEMS = """
    CREATE OR REPLACE TEMP TABLE shown_items AS
    WITH newest AS (
        SELECT item_id, coalesce(split_part(category, '{separator}', 1), tags[1]) AS category FROM {clean}
        QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY updated_at DESC NULLS LAST) = 1),
    placed AS (SELECT item_id, count(*) AS places FROM {top_n} GROUP BY item_id),
    joined AS (
        SELECT item_id, coalesce(nullif(newest.category, ''), 'no category') AS category, available,
               coalesce(popularity_30d, 0) AS events, coalesce(age_days <= {new_days}, false) AS new,
               coalesce(places, 0) AS places
        FROM {items} LEFT JOIN newest USING (item_id) LEFT JOIN {features} USING (item_id)
        LEFT JOIN placed USING (item_id)),
    summed AS (
        SELECT *, (sum(events) OVER (ORDER BY events DESC, item_id) - events) / sum(events) OVER () AS above FROM joined)
    SELECT * EXCLUDE (above), CASE WHEN events = 0 THEN 'none' WHEN above < {head} THEN 'head'
                                   WHEN above < {middle} THEN 'middle' ELSE 'tail' END AS band
    FROM summed"""
PLACED = "(SELECT places AS rows FROM shown_items WHERE places > 0)"
SHARES = """
    SELECT {by} AS name, count(*) AS items, count(*) FILTER (places > 0) AS shown,
           count(*) / sum(count(*)) OVER () AS of_items, sum(events) / nullif(sum(sum(events)) OVER (), 0) AS of_events,
           sum(places) / nullif(sum(sum(places)) OVER (), 0) AS of_places
    FROM shown_items GROUP BY name ORDER BY of_places DESC NULLS LAST, name"""
COUNTS = """
    SELECT count(*) AS known, count(*) FILTER (available) AS available, count(*) FILTER (places > 0) AS shown,
           count(*) FILTER (new) AS new, count(*) FILTER (new AND places > 0) AS new_shown,
           coalesce(sum(places) FILTER (new), 0) AS new_places,
           count(*) FILTER (events = 0) AS quiet, count(*) FILTER (events = 0 AND places > 0) AS quiet_shown,
           coalesce(sum(places) FILTER (events = 0), 0) AS quiet_places, coalesce(sum(places), 0) AS places
    FROM shown_items"""
SOURCES = """
    SELECT source, count(*) AS places, count(DISTINCT user_id) FILTER (rank = 1) AS users FROM {top_n}
    GROUP BY source ORDER BY places DESC, source"""
COLD = """
    SELECT count(*) AS users, count(*) FILTER (user_index NOT IN (SELECT user_index FROM {sequences})) AS cold
    FROM {users} SEMI JOIN {top_n} USING (user_id)"""


@dataclass(frozen=True)
class Share:
    """A group of items: how many there are and are shown, and its share of the catalogue, of the last 30 days'
    events and of the places in the lists.
    """

    name: str
    items: int
    shown: int
    of_items: float
    of_events: float
    of_places: float


@dataclass(frozen=True)
class Mix:
    """The lists by category and by band of popularity (head, middle, tail, none: no event in 30 days).

    `items` counts the catalogue, those shown, new and quiet ones, and their places; `users` those who have a list,
    and of them the cold ones (without an event); `sources` who made the places. `gini` is of the items' places: 0 all alike, 1 one has all.
    """

    version: str
    categories: list[Share]
    bands: list[Share]
    items: dict[str, int]
    users: dict[str, int]
    sources: list[dict[str, Any]]
    gini: float | None


def of_lists(night: Night, version: str) -> Mix:
    """Return the mix of the night's own version."""
    top_n = night.version(version)
    items = night.table("training/items")
    night.engine.execute(
        ITEMS.format(
            clean=night.table("clean/items"),
            items=items,
            features=night.table("features/item_features"),
            top_n=top_n,
            separator=LEVELS,
            new_days=NEW_DAYS,
            head=HEAD,
            middle=MIDDLE,
        )
    )
    order = {name: place for place, name in enumerate(("head", "middle", "tail", "none"))}
    bands = sorted(_shares(night, "band"), key=lambda each: order[each.name])
    night.engine.execute("CREATE OR REPLACE TEMP VIEW items AS SELECT item_id, available FROM shown_items")
    ((_, gini),) = night.engine.sql(health.SHOWN.format(shown=PLACED)).fetchall()
    return Mix(
        version=version,
        categories=_folded(_shares(night, "category")),
        bands=bands,
        items=_counts(night, COUNTS),
        users=_users(night, top_n),
        sources=night.rows(SOURCES.format(top_n=top_n)),
        gini=None if gini is None else round(float(gini), 6),
    )


def _shares(night: Night, by: str) -> list[Share]:
    found = night.rows(SHARES.format(by=by))
    shares = ("of_items", "of_events", "of_places")
    return [Share(**{**row, **{name: round(float(row[name] or 0.0), 6) for name in shares}}) for row in found]


def _folded(categories: list[Share]) -> list[Share]:
    """Return the categories with most places; the rest become one."""
    kept, rest = categories[:CATEGORIES], categories[CATEGORIES:]
    if not rest:
        return kept
    sums = {
        name: sum(getattr(each, name) for each in rest)
        for name in ("items", "shown", "of_items", "of_events", "of_places")
    }
    return [*kept, Share(f"{len(rest)} others", **{n: round(value, 6) for n, value in sums.items()})]


def _users(night: Night, top_n: str) -> dict[str, int]:
    try:
        users = night.table("training/users")
        sequences = night.table("training/sequences")
    except Absent:
        return {}
    return _counts(night, COLD.format(users=users, sequences=sequences, top_n=top_n))


def _counts(night: Night, query: str) -> dict[str, int]:
    (row,) = night.rows(query)
    return {name: int(value) for name, value in row.items()}
