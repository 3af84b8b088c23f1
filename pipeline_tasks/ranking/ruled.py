"""A table's lists by its rules: candidates in order in, lists of the wanted length out, and a tally of what was done."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.ranking.barred import Barred
from pipeline_tasks.ranking.filled import PINNED, POPULAR, Filled, picked
from pipeline_tasks.ranking.selection import Likeness, Rules, choose
from pipeline_tasks.ranking.spares import standing_by

Ints = NDArray[np.int32]


def _none() -> Ints:
    return np.zeros(0, np.int32)


@dataclass(frozen=True)
class Pinned:
    """An item's place, `rank` from 1, in the lists that `rows` (all rows,) says; `label` is what its reason becomes.

    An item that cannot be had is 0: its place is missing.
    """

    item: int
    rank: int
    rows: NDArray[np.bool_]
    label: int = 0


@dataclass
class Tally:
    """What the rules did to all lists so far.

    `removed` are rows that a rule passed over. `short` lists had fewer rows than was wanted from their own
    candidates, `refilled` rows came to them from `fallback`, `still_short` lists have fewer than n all the same.
    `placed` and `missing` are pins that have their place and that have none; those that gave way to a pin of an
    earlier say are neither.
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
    refilled from `fallback` (items, best first), `offers` at a time, and where new ones lack from the `newest`, which
    are not among the first of those, under the same rules.
    """

    rules: Rules
    n: int
    places: int
    barred: Barred
    pins: Sequence[Pinned] = ()
    fallback: Ints = field(default_factory=_none)
    newest: Ints = field(default_factory=_none)
    offers: int = 1
    n_items: int = 0
    tally: Tally = field(default_factory=Tally)

    def apply(self, candidates: Filled) -> Filled:
        """Return the rows' lists, at most `places` long, chosen from their candidates.

        Where caps leave a list no spares, or few, what stands behind it does not keep them.
        """
        if not candidates.items.shape[1]:  # nothing was ranked: a segment that nobody bought in
            candidates = Filled.empty(candidates.first, len(candidates.items), 1)
        lists = self._chosen(candidates)
        return self._with_spares(lists, candidates) if self.rules.caps and self.places > self.n else lists

    def _chosen(self, candidates: Filled) -> Filled:
        some = slice(candidates.first, candidates.first + len(candidates.items))
        barred = self.barred.rows(some)
        candidates, fixed = self._with_pins(candidates, some, barred)
        chosen = choose(candidates.items, self.places, self.rules, fixed)
        lists = candidates.taken(chosen.columns)
        self.tally.removed.update(chosen.removed)
        self._refill(lists, picked(candidates.items, fixed), barred)
        self._count(lists, barred)
        return lists.falling()

    def _with_pins(self, lists: Filled, some: slice, barred: Barred) -> tuple[Filled, NDArray[np.int64]]:
        """Return the candidates with the pinned items among them, and which columns have their place."""
        rows_all = len(lists.items)
        lists = lists.rows(np.arange(rows_all)) if self.pins else lists
        fixed = np.full((rows_all, self.places), -1, np.int64)
        for pin in self.pins:
            free = pin.rows[some] & (fixed[:, pin.rank - 1] < 0)
            free &= ~((lists.items == pin.item) & (lists.sources == PINNED)).any(1)
            self.tally.missing += int(free.sum())  # until it is placed
            rows = np.flatnonzero(free & ~barred.bars(pin.item)) if pin.item else np.zeros(0, np.int64)
            there = lists.items[rows] == pin.item
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
        rows = np.flatnonzero(short | self._few_new(lists, barred))
        offered, left = (
            np.concatenate([self.fallback[: self.offers], self.newest]),
            self.fallback[self.offers :],
        )
        while len(rows) and len(offered):
            own = lists.rows(rows)
            more = self._offered(own, offered, barred.among(offered, self.n_items)[rows])
            lists.put(rows, self._filled_up(own, more, pinned[rows]))
            rows = rows[(lists.items[rows] > 0).sum(1) < self.places]
            left = left[self._fits_somewhere(left, lists.items[rows])]
            offered, left = left[: self.offers], left[self.offers :]

    def _filled_up(self, own: Filled, more: Filled, pinned: Ints) -> Filled:
        """Return lists with what stands in them already before `more`; what is pinned keeps, or gets, its place."""
        wide = own.beside(more)
        fixed = np.full(own.items.shape, -1, np.int64)
        for place in np.flatnonzero(pinned.any(0)):
            there = (own.items == pinned[:, place][:, None]) & (own.sources == PINNED)
            fixed[:, place] = np.where(there.any(1), there.argmax(1), -1)
        rules = replace(self.rules, lifts=None, diversity=0.0, likeness=None)
        chosen = choose(wide.items, self.places, rules, fixed)
        if rules.new is not None:
            self.tally.removed["new_items"] += chosen.removed["new_items"]
        self.tally.refilled += int((chosen.columns >= own.items.shape[1]).sum())
        return wide.taken(chosen.columns)

    def _with_spares(self, lists: Filled, candidates: Filled) -> Filled:
        """Return the lists with the best of what caps keep from them behind those that have too few rows.

        A row can take the place of one of its own groups that sells out. Who fills a place later asks the lists' caps
        again.
        """
        short = np.flatnonzero((lists.items > 0).sum(1) < self.places)
        if not len(short):
            return lists
        own, left = lists.rows(short), candidates.rows(short)
        row = np.arange(len(short))[:, None] * (self.n_items + 1)
        left.items[np.isin(left.items + row, own.items + row)] = 0
        offered, some = self.fallback[: self.offers], slice(lists.first, lists.first + len(lists.items))
        barred = self.barred.rows(some).among(offered, self.n_items)[short]
        left = left.beside(self._offered(own.beside(left), offered, barred))
        more = left.taken(standing_by(own.items[:, : self.n], left.items, self.places - self.n, self.rules))
        lowest = np.where(own.items > 0, own.scores, np.inf).min(1, initial=np.inf, keepdims=True)
        more.scores[:] = np.minimum.accumulate(np.minimum(more.scores, lowest), axis=1)
        both = own.beside(more)
        # a row beyond n that a list has already can follow any item of it: nobody misses what is cut off
        closed = np.argsort(both.items == 0, axis=1, kind="stable")[:, : self.places]
        lists.put(short, both.taken(closed).falling())
        return lists

    def _offered(self, own: Filled, items: Ints, barred: NDArray[np.bool_]) -> Filled:
        """Return distinct items as columns: what the rows are not `barred` from, and do not hold already."""
        listed = Barred.of_pairs(len(own.items), *_pairs(own.items)).among(items, self.n_items)
        more = Filled.empty(own.first, *barred.shape)
        more.items[:] = np.where(barred | listed, 0, items)
        known = np.where((own.items > 0) & np.isfinite(own.scores), own.scores, np.inf)
        lowest = known.min(1, initial=np.inf, keepdims=True)
        lowest[np.isinf(lowest)] = 0.0
        more.scores[:] = lowest - 1.0 - np.arange(len(items))
        more.sources[:] = POPULAR
        return more

    def _fits_somewhere(self, items: Ints, lists: Ints) -> NDArray[np.bool_]:
        """Say which items some of the lists have room for: of what is full everywhere nothing more is offered."""
        fits = np.ones(len(items), np.bool_)
        for cap in self.rules.caps:
            row, item = _pairs(lists)
            each, count = np.unique(np.stack([row, cap.groups[item]]), axis=1, return_counts=True)
            full = np.bincount(each[1][count >= cap.most], minlength=int(cap.groups.max()) + 1) == len(lists)
            full[0] = False
            fits &= ~full[cap.groups[items]]
        return fits

    def _few_new(self, lists: Filled, barred: Barred) -> NDArray[np.bool_]:
        """Say which lists have fewer new items than are needed and their rows may have."""
        new = self.rules.new
        if new is None:
            return np.zeros(len(lists.items), np.bool_)
        # pairs are distinct
        lost = np.bincount(barred.row_of_item[new[barred.items]], minlength=len(barred))
        needed = np.minimum(self.rules.needed[min(self.n, self.places) - 1], new.sum() - lost)
        few: NDArray[np.bool_] = new[lists.items[:, : self.n]].sum(1) < needed
        return few

    def _count(self, lists: Filled, barred: Barred) -> None:
        tally, top = self.tally, lists.items[:, : self.n]
        tally.still_short += int(((lists.items > 0).sum(1) < self.n).sum())
        tally.few_new += int(self._few_new(lists, barred).sum())
        placed = int((lists.sources == PINNED).sum())
        tally.placed += placed
        tally.missing -= placed
        if self.rules.lifts is not None:
            tally.lifted += int((self.rules.lifts[top] != 0).sum())


def content_likeness(content: NDArray[np.float32], groups: Ints) -> Likeness:
    """Return the cosine of two items' contents (n_items + 1, width), which have length 1 or are zeros.

    Where either has none: 1 for items of one group (n_items + 1,), 0 else.
    """
    known = np.asarray(content.any(axis=1))

    def likeness(items: Ints) -> NDArray[np.float32]:
        vectors = content[items]
        alike: NDArray[np.float32] = vectors @ vectors.swapaxes(1, 2)
        unknown = ~known[items] & (items > 0)
        for row in np.flatnonzero(unknown.any(1)):
            group = groups[items[row]]
            same = (group[:, None] == group) & (group > 0)
            either = unknown[row][:, None] | unknown[row]
            alike[row] = np.where(either, same, alike[row])
        return alike

    return likeness


def _pairs(items: Ints) -> tuple[NDArray[np.int64], Ints]:
    row, place = np.nonzero(items)
    return row, items[row, place]
