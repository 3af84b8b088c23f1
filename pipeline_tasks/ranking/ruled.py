"""A table's lists by its rules: candidates in order in, lists of the wanted length out, and a tally of what was done."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.ranking.barred import Barred
from pipeline_tasks.ranking.filled import PINNED, POPULAR, Filled
from pipeline_tasks.ranking.selection import Likeness, Rules, choose

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Pinned:
    """An item's place, `rank` from 1, in the lists that `rows` (all rows,) says; `label` is what its reason becomes."""

    item: int
    rank: int
    rows: NDArray[np.bool_]
    label: int = 0


@dataclass
class Tally:
    """What the rules did to all lists so far.

    `removed` are rows that a rule passed over. `short` lists had fewer rows than was wanted from their own
    candidates, `refilled` rows came to them from `fallback`, `still_short` lists have fewer than n all the same.
    `placed` and `missing` are pins that have their place and that have none.
    """

    removed: Counter[str] = field(default_factory=Counter)
    short: int = 0
    refilled: int = 0
    still_short: int = 0
    few_new: int = 0
    placed: int = 0
    missing: int = 0
    lifted: int = 0


@dataclass(frozen=True)
class TableRules:
    """The rules of a table's lists, each of n rows and spares up to `places`.

    Row r may not have what is `barred` of it. `pins` come in the order of their say. Lists that come up short are
    refilled from `fallback` (items, best first), under the same rules.
    """

    rules: Rules
    n: int
    places: int
    barred: Barred
    pins: Sequence[Pinned] = ()
    fallback: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    n_items: int = 0
    tally: Tally = field(default_factory=Tally)

    def apply(self, candidates: Filled) -> Filled:
        """Return the rows' lists, at most `places` long, chosen from their candidates."""
        some = slice(candidates.first, candidates.first + len(candidates.items))
        barred = self.barred.rows(some)
        candidates, fixed = self._with_pins(candidates, some, barred)
        chosen = choose(candidates.items, self.places, self.rules, fixed)
        lists = candidates.taken(chosen.columns)
        self.tally.removed.update(chosen.removed)
        pinned = np.where(fixed >= 0, np.take_along_axis(candidates.items, np.maximum(fixed, 0), 1), 0)
        self._refill(lists, pinned, barred)
        self._count(lists, some)
        return lists.falling()

    def _with_pins(self, lists: Filled, some: slice, barred: Barred) -> tuple[Filled, NDArray[np.int64]]:
        """Return the candidates with the pinned items among them, and which columns have their place."""
        rows_all = len(lists.items)
        lists = lists.rows(np.arange(rows_all)) if self.pins else lists
        fixed = np.full((rows_all, self.places), -1, np.int64)
        for pin in self.pins:
            rows = np.flatnonzero(pin.rows[some] & (fixed[:, pin.rank - 1] < 0) & ~barred.bars(pin.item))
            there = lists.items[rows] == pin.item
            again = (there & (lists.sources[rows] == PINNED)).any(1)
            rows, there = rows[~again], there[~again]
            column, absent = there.argmax(1), ~there.any(1)
            if absent.any():
                column[absent] = lists.items.shape[1]
                more = Filled.empty(lists.first, rows_all, 1)
                more.items[rows[absent], 0], more.scores[rows[absent], 0] = pin.item, -np.inf
                lists = lists.beside(more)
            lists.sources[rows, column], lists.reasons[rows, column] = PINNED, pin.label
            fixed[rows, pin.rank - 1] = column
        return lists, fixed

    def _refill(self, lists: Filled, pinned: Ints, barred: Barred) -> None:
        """Fill lists that came up short, or hold too few new items, from the fallback, in place."""
        short = (lists.items > 0).sum(1) < self.places
        self.tally.short += int(short.sum())
        rows = np.flatnonzero(short | self._few_new(lists))
        if not len(rows) or not len(self.fallback):
            return
        own = lists.rows(rows)
        wide = own.beside(self._offered(own, barred.among(self.fallback, self.n_items)[rows]))
        fixed = np.full((len(rows), self.places), -1, np.int64)
        for place in np.flatnonzero(pinned[rows].any(0)):
            there = (own.items == pinned[rows, place][:, None]) & (own.sources == PINNED)
            fixed[:, place] = np.where(there.any(1), there.argmax(1), -1)
        chosen = choose(
            wide.items, self.places, replace(self.rules, lifts=None, diversity=0.0, likeness=None), fixed
        )
        filled = wide.taken(chosen.columns)
        self.tally.removed["new_items"] += chosen.removed.get("new_items", 0)
        self.tally.refilled += int((chosen.columns >= own.items.shape[1]).sum())
        lists.put(rows, filled)

    def _offered(self, own: Filled, barred: NDArray[np.bool_]) -> Filled:
        """Return the fallback as columns behind the rows' `own`: what they may have and have not yet."""
        listed = Barred.of_pairs(len(own.items), *_pairs(own.items)).among(self.fallback, self.n_items)
        offered = Filled.empty(own.first, *barred.shape)
        offered.items[:] = np.where(barred | listed, 0, self.fallback)
        known = np.where((own.items > 0) & np.isfinite(own.scores), own.scores, np.inf)
        lowest = known.min(1, initial=np.inf, keepdims=True)
        lowest[np.isinf(lowest)] = 0.0
        offered.scores[:] = lowest - 1.0 - np.arange(len(self.fallback))
        offered.sources[:] = POPULAR
        return offered

    def _few_new(self, lists: Filled) -> NDArray[np.bool_]:
        if self.rules.new is None:
            return np.zeros(len(lists.items), np.bool_)
        have = self.rules.new[lists.items[:, : self.n]].sum(1)
        few: NDArray[np.bool_] = have < self.rules.needed[min(self.n, self.places) - 1]
        return few

    def _count(self, lists: Filled, some: slice) -> None:
        tally, top = self.tally, lists.items[:, : self.n]
        tally.still_short += int(((lists.items > 0).sum(1) < self.n).sum())
        tally.few_new += int(self._few_new(lists).sum())
        placed = int((lists.sources == PINNED).sum())
        tally.placed += placed
        tally.missing += sum(int(pin.rows[some].sum()) for pin in self.pins) - placed
        if self.rules.lifts is not None:
            tally.lifted += int((self.rules.lifts[top] != 0).sum())


def content_likeness(content: NDArray[np.float32], groups: Ints) -> Likeness:
    """Return the cosine of two items' contents (n_items + 1, width), which have length 1 or are zeros.

    Where either has none: 1 for items of one group (n_items + 1,), 0 else.
    """
    known = content.any(1)

    def likeness(items: Ints) -> NDArray[np.float32]:
        vectors = content[items]
        alike: NDArray[np.float32] = vectors @ vectors.swapaxes(1, 2)
        unknown: NDArray[np.bool_] = ~known[items] & (items > 0)
        for row in np.flatnonzero(unknown.any(1)):
            group = groups[items[row]]
            same = (group[:, None] == group) & (group > 0)
            either = np.logical_or.outer(unknown[row], unknown[row])
            alike[row] = np.where(either, same, alike[row])
        return alike

    return likeness


def thinned(items: Ints, rules: Rules, times: int, most: int) -> Ints:
    """Return the first `most` of the items, best first, of which no group has more than `times` its cap."""
    for cap in rules.caps:
        group = cap.groups[items]
        order = np.argsort(group, kind="stable")
        begins = np.flatnonzero(np.diff(group[order], prepend=-1))
        place = np.empty(len(items), np.int64)
        place[order] = np.arange(len(items)) - np.repeat(begins, np.diff([*begins, len(items)]))
        items = items[(group == 0) | (place < times * cap.most)]
    return items[:most]


def _pairs(items: Ints) -> tuple[NDArray[np.int64], Ints]:
    row, place = np.nonzero(items)
    return row, items[row, place]
