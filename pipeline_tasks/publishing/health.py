"""May these lists go live? The night's top_n beside the live version's in, measures and findings out.

What a contract says of rows holds or does not, and `rules.broken` says so. Here lists that are right in every row are
held against those that people read now: a night that changes them far more than nights do waits for somebody.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import duckdb
import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.publishing.difference import Difference

Severity = Literal["stop", "warn"]
# a bin of the score's distribution holds a tenth of the live version's scores; an empty share counts as this
BINS = 10
EMPTY_SHARE = 1e-4

# of the lists of {view}, see `listed`; `items` (item_id, available, first_seen) are the catalogue
LISTS = """
    SELECT avg((size < {n})::INT) AS short, avg((size > 1 AND lowest = highest)::INT) AS flat FROM {view}_lists"""
# Gini's coefficient of the places that items have, those with none counted: 0 all alike, 1 one has all
SHOWN = """
    WITH shown AS (SELECT rows AS places FROM {shown}),
    stock AS (SELECT greatest((SELECT count(*) FROM items WHERE available), (SELECT count(*) FROM shown)) AS items),
    placed AS (SELECT places, items - count(*) OVER () + row_number() OVER (ORDER BY places) AS place, items
               FROM shown CROSS JOIN stock)
    SELECT count(*) AS items, 2 * sum(place * places) / (max(items) * sum(places)) - (max(items) + 1) / max(items)
    AS gini FROM placed"""
NEWEST = """
    SELECT (max(first_seen) FILTER (available) - max(first_seen) FILTER (item_id IN (SELECT item_id FROM {view}_items)))
           / 86400 AS days FROM items WHERE first_seen < {end}"""


SENTENCES = {
    "users_lost": "{found:.1%} of the users who have a list in {live} have none now",
    "short_lists": "the share of lists with fewer than N places is {found:.1%} above that of {live}",
    "lists_replaced": "{found:.1%} of the users find nothing in their list that was in {live}",
    "items_lost": "the lists hold {found:.1%} fewer different items than those of {live}",
    "concentration": "Gini's coefficient of the items' places is {found:.3f} above that of {live}",
    "score_drift": "scores lie elsewhere than in {live}: population stability index {found:.2f}",
    "flat_lists": "{found:.1%} of the lists have one score for all of their items",
    "newest_item_days": "the newest item in the lists is {found:.0f} days older than the newest that can be had",
    "unavailable": "{found:.1%} of the known items cannot be had",
    "rules_unkept": "a declared rule is not kept in {found:.1%} of its places or lists",
}


@dataclass(frozen=True)
class Finding:
    """One check: what was found, what is allowed at most, and whether more than that stops the night."""

    name: str
    severity: Severity
    found: float
    limit: float
    sentence: str

    @property
    def holds(self) -> bool:
        return self.found <= self.limit

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds}


def measure(
    engine: duckdb.DuckDBPyConnection,
    n: int,
    view: str,
    live: str | None,
    difference: Difference | None,
    *,
    end: int,
    same: bool,
) -> dict[str, float]:
    """Return the measures of top_n `view`, by the names of the limits; with `live` also those beside it.

    Besides these views, of which only scores are read, there are the tables that `listed` makes of them.

    `difference` is that from `live` to `view`. Scores are compared only where the `same` kind of model made both:
    others' have another scale. `end` is the night's (Unix seconds): items may be announced for later. What cannot be
    measured, as the age of items whose first day is not known, is left out.
    """

    def one(query: str, of: str = view) -> dict[str, float]:
        found = engine.sql(query.format(view=of, n=n, end=end, shown=f"{of}_items"))
        return dict(zip(found.columns, found.fetchall()[0], strict=True))

    lists, shown = one(LISTS), one(SHOWN)
    ((unavailable,),) = engine.sql("SELECT avg((NOT available)::INT) FROM items").fetchall()
    found: dict[str, float | None] = {
        "unavailable": unavailable,
        "flat_lists": lists["flat"],
        "newest_item_days": one(NEWEST)["days"],
    }
    if live and difference and difference.before:
        lists_live, shown_live = one(LISTS, live), one(SHOWN, live)
        found |= {
            "users_lost": difference.gone / difference.before,
            "lists_replaced": difference.replaced / difference.both if difference.both else None,
            "short_lists": (lists["short"] or 0.0) - lists_live["short"],
            "items_lost": 1 - shown["items"] / shown_live["items"],
            "concentration": (shown["gini"] or 0.0) - shown_live["gini"],
        }
        if same:
            found["score_drift"] = stability_index(*shares(engine, view, live, "score"))
    return {name: round(float(value), 6) for name, value in found.items() if value is not None}


def shares(
    engine: duckdb.DuckDBPyConnection, view: str, live: str, column: str
) -> tuple[list[float], list[float]]:
    """Return the shares of a column's values, in `view` and in `live`, by tenths of the latter; nulls come last."""

    def values(of: str) -> tuple[NDArray[Any], int]:
        found = engine.sql(f"SELECT {column} FROM {of}").fetchnumpy()[column]  # noqa: S608 - names are ours
        return np.sort(np.ma.compressed(found)), len(found)

    def of(sorted_values: NDArray[Any], rows: int) -> list[float]:
        above = len(sorted_values) - np.searchsorted(sorted_values, edges, side="right")
        counts = [*-np.diff([len(sorted_values), *above, 0]), rows - len(sorted_values)]
        return [float(count / rows) if rows else 0.0 for count in counts]

    now, before = values(view), values(live)
    edges = _edges(before[0])
    return of(*now), of(*before)


def _edges(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return what lies between tenths of values in order; numpy's quantile would order them again."""
    if not len(values):
        return np.full(BINS - 1, math.inf)
    place = np.arange(1, BINS) / BINS * (len(values) - 1)
    below, above = (values[whole(place).astype(np.int64)].astype(np.float64) for whole in (np.floor, np.ceil))
    return below + (place - np.floor(place)) * (above - below)


def stability_index(now: Sequence[float], before: Sequence[float]) -> float:
    """Return the population stability index of two lists of shares: 0 for equal ones, by custom a shift above .25."""
    pairs = [[max(share, EMPTY_SHARE) for share in each] for each in (now, before)]
    return float(sum((a - b) * math.log(a / b) for a, b in zip(*pairs, strict=True)))


def judged(
    found: Mapping[str, float], limits: Mapping[str, float], stops: Collection[str], live: str | None
) -> list[Finding]:
    """Return a finding for every limit that something was measured for, in the order of the limits."""
    return [
        Finding(
            name=name,
            severity="stop" if name in stops else "warn",
            found=found[name],
            limit=limit,
            sentence=f"{SENTENCES[name].format(found=found[name], live=live)} (check.limits.{name} is {limit:g})",
        )
        for name, limit in limits.items()
        if name in found
    ]
