"""The places of many lists filled at once: candidates, best first, in; those that the rules let stand, in order, out.

Place by place, in all lists together, the best candidate goes in that no rule holds back. Only the candidates'
order counts, no score: scores of models have no common scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

# lists whose candidates' likenesses are in memory together: 40 MiB with 200 candidates
LISTS_AT_ONCE = 256

Items = NDArray[np.int32]  # (lists, candidates) item indices, 0 where there is none
Columns = NDArray[np.int64]  # (lists, places) columns of the candidates, -1 where there is none
Likeness = Callable[[Items], NDArray[np.float32]]  # (lists, candidates, candidates), at most 1


@dataclass(frozen=True)
class Cap:
    """At most `most` items of a list are of one group; `groups` (n_items + 1,) are numbers, 0 for no group."""

    name: str
    groups: NDArray[np.int32]
    most: int


@dataclass(frozen=True)
class Rules:
    """What holds of every list of a table.

    `lifts` (n_items + 1,) are places that an item is ranked higher by. Of the first p places `needed[p - 1]` are of
    the `new` (n_items + 1,) items, which can be had, while there are such. `diversity` is what unlikeness counts
    against rank.
    """

    caps: Sequence[Cap] = ()
    lifts: NDArray[np.int64] | None = None
    new: NDArray[np.bool_] | None = None
    needed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    likeness: Likeness | None = None
    diversity: float = 0.0


@dataclass(frozen=True)
class Chosen:
    """Which candidates fill the places, without gaps, and how many rows each rule passed over."""

    columns: Columns
    removed: dict[str, int]


def choose(items: Items, places: int, rules: Rules, fixed: Columns | None = None) -> Chosen:
    """Fill up to `places` places of each list from its candidates.

    `fixed` (lists, places) names columns that have their place if no cap holds them back; nowhere else are they
    taken. Where a list has too few candidates, what stands behind a gap moves up.
    """
    if rules.lifts is not None:
        order = lifted(items, rules.lifts)
        fixed = fixed if fixed is None else entries(np.argsort(order, axis=1), fixed)
        items = np.take_along_axis(items, order, 1)
        chosen = choose(items, places, replace(rules, lifts=None), fixed)
        return replace(chosen, columns=entries(order, chosen.columns))
    step = LISTS_AT_ONCE if rules.diversity else max(1, len(items))
    parts = [
        _Lists(items[some], places, rules).filled(None if fixed is None else fixed[some])
        for some in (slice(first, first + step) for first in range(0, max(1, len(items)), step))
    ]
    columns = np.concatenate([part.columns for part in parts])
    removed = {name: sum(part.removed[name] for part in parts) for name in parts[0].removed}
    return Chosen(columns, removed)


def lifted(items: Items, lifts: NDArray[np.int64]) -> Columns:
    """Return (lists, candidates) columns in the order in which `lifts` (n_items + 1,) rank them; what is none is last."""
    own = lifts[items]  # by one place is above the one that stands there
    height = 2 * (np.arange(items.shape[1]) - own) - np.sign(own)
    order: Columns = np.argsort(np.where(items > 0, height, np.iinfo(np.int64).max), axis=1, kind="stable")
    return order


def entries(order: Columns, columns: Columns) -> Columns:
    """Return what stands in the columns of each list's `order`, -1 where a column is none."""
    return np.where(columns >= 0, np.take_along_axis(order, np.maximum(columns, 0), 1), -1)


def least_new(share: float, n: int, places: int) -> NDArray[np.int64]:
    """Return (places,): how many of the first 1, 2, … places are to be new, so that `share` of every beginning is.

    Rounded down, but of the first `n` places up, and never less than of fewer places. Geyik, Ambler and Kenthapadi,
    "Fairness-Aware Ranking in Search & Recommendation Systems with Application to LinkedIn Talent Search", 2019, call
    such a ranking feasible where every beginning has floor(share x length).
    """
    length = np.arange(1, places + 1)
    needed = np.floor(share * length + 1e-9)
    of_all = np.ceil(share * n - 1e-9)
    up = np.where(length <= n, of_all - (n - length), 0.0)
    least: NDArray[np.int64] = np.maximum.accumulate(np.maximum(needed, up)).astype(np.int64)
    return least


class _Lists:
    """Some lists in the making: which candidates may still be taken, and which column each place has."""

    def __init__(self, items: Items, places: int, rules: Rules) -> None:
        self.items, self.rules = items, rules
        self.open = items > 0
        self.columns = np.full((len(items), places), -1, np.int64)
        self.groups = [cap.groups[items] for cap in rules.caps]
        self.taken = [np.zeros((len(items), places), np.int32) for _ in rules.caps]
        self.shut_by = np.zeros(items.shape, np.int8)  # the cap that holds a candidate back, from 1
        self.new = None if rules.new is None else rules.new[items]
        self.removed = dict.fromkeys([cap.name for cap in rules.caps], 0)
        if rules.diversity:
            self.removed["diversity"] = 0
            count = np.maximum(1, self.open.sum(1, keepdims=True))
            self.worth = (1 - np.arange(items.shape[1]) / count).astype(np.float32)
            assert rules.likeness is not None
            self.alike = rules.likeness(items)
            self.nearest = np.zeros(items.shape, np.float32)
        if rules.new is not None:
            self.removed["new_items"] = 0

    def filled(self, fixed: Columns | None) -> Chosen:
        """Take what is fixed, then the best of what is left for every other place."""
        by_rank = np.zeros(self.columns.shape, np.bool_)
        if fixed is not None:
            for place in np.flatnonzero((fixed >= 0).any(0)).tolist():
                rows = np.flatnonzero(fixed[:, place] >= 0)
                rows = rows[self.open[rows, fixed[rows, place]]]
                self._take(rows, fixed[rows, place], place)
            lists, places = np.nonzero(fixed >= 0)
            self.open[lists, fixed[lists, places]] = False
            self.shut_by[lists, fixed[lists, places]] = 0
        have = np.zeros(len(self.items), np.int64)
        for place in range(self.columns.shape[1]):
            rows = np.flatnonzero((self.columns[:, place] < 0) & self.open.any(1))
            if len(rows):
                self._take(rows, self._best(rows, self._allowed(rows, have, place)), place)
                by_rank[rows, place] = True
            if self.new is not None:
                there = np.flatnonzero(self.columns[:, place] >= 0)
                have[there] += self.new[there, self.columns[there, place]]
        self._count_shut(np.where(by_rank, self.columns, -1).max(1, initial=-1))
        closed = np.argsort(self.columns < 0, axis=1, kind="stable")
        return Chosen(np.take_along_axis(self.columns, closed, 1), self.removed)

    def _allowed(self, rows: NDArray[np.int64], have: NDArray[np.int64], place: int) -> NDArray[np.bool_]:
        """Return (rows, candidates): what may stand here, where new items lack only these, if there are any."""
        allowed: NDArray[np.bool_] = self.open[rows]
        if self.new is None:
            return allowed
        lacking = np.flatnonzero(have[rows] < self.rules.needed[place])
        only = allowed[lacking] & self.new[rows[lacking]]
        some = only.any(1)
        lacking, only = lacking[some], only[some]
        best = allowed[lacking].argmax(1)
        self.removed["new_items"] += int((~self.new[rows[lacking], best]).sum())
        allowed[lacking] = only
        return allowed

    def _best(self, rows: NDArray[np.int64], allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the first allowed column of each row; with diversity the one of the greatest marginal relevance.

        That is (1 - diversity) x worth - diversity x (likeness to the most alike that is taken), where worth falls
        evenly from 1 with the rank. Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for
        Reordering Documents and Producing Summaries", 1998.
        """
        first: NDArray[np.int64] = allowed.argmax(1)
        share = self.rules.diversity
        if not share:
            return first
        value = (1 - share) * self.worth[rows] - share * self.nearest[rows]
        best: NDArray[np.int64] = np.where(allowed, value, -np.inf).argmax(1)
        self.removed["diversity"] += int((best != first).sum())
        return best

    def _take(self, rows: NDArray[np.int64], columns: NDArray[np.int64], place: int) -> None:
        """Put the columns in their rows' place; a group that is full now is shut."""
        self.columns[rows, place] = columns
        self.open[rows, columns] = False
        for number, cap in enumerate(self.rules.caps):
            groups, taken = self.groups[number], self.taken[number]
            group = groups[rows, columns]
            taken[rows, place] = group
            full = (group > 0) & ((taken[rows] == group[:, None]).sum(1) >= cap.most)
            where = rows[full]
            mates = self.open[where] & (groups[where] == group[full][:, None])
            self.open[where] &= ~mates
            self.shut_by[where] += mates * np.int8(number + 1)
        if self.rules.diversity:
            self.nearest[rows] = np.maximum(self.nearest[rows], self.alike[rows, columns])

    def _count_shut(self, last: NDArray[np.int64]) -> None:
        """Count what a cap held back: what stood before a full list's `last` taken column, and all of a short one."""
        last = np.where((self.columns < 0).any(1), self.items.shape[1], last)
        before = np.arange(self.items.shape[1]) < last[:, None]
        for number, cap in enumerate(self.rules.caps, 1):
            self.removed[cap.name] += int(((self.shut_by == number) & before).sum())
