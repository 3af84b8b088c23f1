"""What stands by behind lists that caps have filled: what is listed and what else may be in, columns of the latter out.

A listed item that cannot be had any more leaves a place that only some may take under the lists' caps.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.ranking.selection import Cap, Columns, Rules, choose, entries, lifted

Ints = NDArray[np.int32]


def standing_by(listed: Ints, left: Ints, spares: int, rules: Rules) -> Columns:
    """Return (rows, spares) columns of `left`, in its order, -1 behind them: what can follow each of `listed`, and others.

    `listed` (rows, n) and `left` (rows, items) are items, 0 is none; lifts order the latter. An item's successor is the
    best of `left` that all caps let into the list once it is out. Each item that has one has it among these, where a
    row's successors are no more than `spares`: they are n at most, fewer where items share one. Of too many those of
    most items are kept, of too few what can come in besides them is next. What further there is keeps together with all
    those to looser caps, in proportion to `spares`, so that it is some of every group; places that are free then are
    filled from all groups in turn.
    """
    if rules.lifts is not None:
        order = lifted(left, rules.lifts)
        left = np.take_along_axis(left, order, 1)
        return entries(order, standing_by(listed, left, spares, replace(rules, lifts=None)))
    first = _most_wanted(_wanted(listed, left, rules.caps), spares)
    looser = [replace(cap, most=-(-cap.most * spares // listed.shape[1])) for cap in rules.caps]
    some = choose(left, spares, replace(rules, caps=looser, diversity=0.0, likeness=None), first).columns
    again = (some[:, :, None] == first[:, None]).any(2)
    columns = _closed(first, np.where(again, -1, some))
    short = np.flatnonzero(columns[:, -1] < 0)
    columns[short] = _closed(columns[short], _in_turn(left[short], columns[short], rules.caps))
    return np.sort(columns.view(np.uint64), axis=1).view(np.int64)  # without a sign -1 comes last


def _closed(some: Columns, more: Columns) -> Columns:
    """Return as many columns a row as `some` has, -1 last: those of `some`, then those of `more`."""
    columns = np.concatenate([some, more], axis=1)
    kept = np.argsort(columns < 0, axis=1, kind="stable")[:, : some.shape[1]]
    return np.take_along_axis(columns, kept, 1)


def _in_turn(left: Ints, taken: Columns, caps: Sequence[Cap]) -> Columns:
    """Return the columns of `left` (rows, items) that are not `taken`, as many a row: each group's best, then its next."""
    free = np.append(left > 0, np.zeros((len(left), 1), np.bool_), axis=1)  # the last column is for none
    np.put_along_axis(free, taken, False, axis=1)
    free = free[:, :-1]
    turn = np.zeros(left.shape, np.int64)
    for cap in caps:
        groups = np.where(free, cap.groups[left], 0)
        turn = np.maximum(turn, np.where(groups > 0, _places(groups) // cap.most, 0))
    order = np.argsort(np.where(free, turn, left.shape[1]), axis=1, kind="stable")[:, : taken.shape[1]]
    return np.where(np.take_along_axis(free, order, 1), order, -1)


def _places(groups: Ints) -> NDArray[np.int64]:
    """Return (rows, items) how many items of its group stand before each in its row."""
    order = np.argsort(groups, axis=1, kind="stable")
    ordered = np.take_along_axis(groups, order, 1)
    at = np.arange(groups.shape[1])
    begins = np.where(np.diff(ordered, axis=1, prepend=-1) != 0, at, 0)
    places = np.zeros(groups.shape, np.int64)
    np.put_along_axis(places, order, at - np.maximum.accumulate(begins, axis=1), axis=1)
    return places


def _most_wanted(wanted: NDArray[np.int16], spares: int) -> Columns:
    """Return (rows, spares) columns, rising, -1 for none: those of `wanted` (rows, items) that are wanted most."""
    kept = np.zeros(wanted.shape, np.bool_)
    np.put_along_axis(kept, np.argsort(-wanted, axis=1, kind="stable")[:, :spares], True, axis=1)
    row, column = np.nonzero(kept & (wanted > 0))
    most = np.full((len(wanted), spares), -1, np.int64)
    most[row, np.arange(len(row)) - np.searchsorted(row, row)] = column
    return most


def _wanted(listed: Ints, left: Ints, caps: Sequence[Cap]) -> NDArray[np.int16]:
    """Return (rows, items) how much each of `left` is wanted: successors most, by how many items' they are; 0 is not.

    What can follow an item shares with it every group of its own that is full. Wanted are the best of those for whom
    the same caps are full: of two that are out of one group each, both may come in. The best of all is the successor.
    """
    groups = [(cap.groups[listed], cap.groups[left]) for cap in caps]
    rooms = [~_full(own, theirs, cap.most) for cap, (own, theirs) in zip(caps, groups, strict=True)]
    kinds = [left > 0]
    for room in rooms:
        kinds = [kind & each for kind in kinds for each in (room, ~room)]
    every, width = np.arange(len(left)), left.shape[1]
    follows, succeeds = np.zeros((2, len(left), width + 1), np.int16)  # the last column is for none
    for place in range(listed.shape[1]):
        fits = np.ones(left.shape, np.bool_)
        for room, (own, theirs) in zip(rooms, groups, strict=True):
            fits &= room | (theirs == own[:, place, None])
        best = np.stack([_first(fits & kind) for kind in kinds], axis=1)
        follows[every[:, None], best] = 1
        succeeds[every, best.min(1)] += 1
    wanted: NDArray[np.int16] = (follows + succeeds)[:, :width]
    return wanted


def _first(those: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (rows,) the first column of `those` (rows, items), and their number where a row has none."""
    first: NDArray[np.int64] = those.argmax(1)
    return np.where(those[np.arange(len(those)), first], first, those.shape[1])


def _full(own: Ints, theirs: Ints, most: int) -> NDArray[np.bool_]:
    """Say which of `theirs` (rows, items) are groups that a row's `own` (rows, n) have `most` of; 0 is no group."""
    full = np.zeros(theirs.shape, np.bool_)
    for place in range(most - 1, own.shape[1]):
        group = own[:, place]
        rows = np.flatnonzero((group > 0) & ((own[:, : place + 1] == group[:, None]).sum(1) == most))
        full[rows] |= theirs[rows] == group[rows, None]
    return full
