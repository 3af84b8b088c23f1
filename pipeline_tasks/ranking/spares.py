"""What stands by behind lists that caps have filled: what is listed and what else may be in, columns of the latter out.

A listed item that cannot be had any more leaves a place that only some may take under the lists' caps.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.ranking.selection import Cap, Rules, choose

Ints = NDArray[np.int32]


def standing_by(listed: Ints, left: Ints, spares: int, rules: Rules) -> NDArray[np.int64]:
    """Return (rows, spares) columns of `left`, -1 for none: what can follow each of `listed`, then some of all.

    `listed` (rows, n) and `left` (rows, items) are items, 0 is none. Caps of the latter, in proportion to their number,
    let some of every group be among them. With a single cap these hold what can follow.
    """
    first = np.full((len(left), spares), -1, np.int64)
    rest = left.copy()
    if len(rules.caps) > 1:
        row, column = np.nonzero(_followers(listed, left, rules.caps))
        nth = np.arange(len(row)) - np.searchsorted(row, row)
        row, column, nth = (each[nth < spares] for each in (row, column, nth))
        first[row, nth], rest[row, column] = column, 0
    looser = [replace(cap, most=-(-cap.most * spares // listed.shape[1])) for cap in rules.caps]
    most = spares - int((first >= 0).sum(1).min(initial=spares))
    chosen = choose(rest, most, replace(rules, caps=looser, diversity=0.0, likeness=None))
    columns = np.concatenate([first, chosen.columns], axis=1)
    closed = np.argsort(columns < 0, axis=1, kind="stable")[:, :spares]
    return np.take_along_axis(columns, closed, 1)


def _followers(listed: Ints, left: Ints, caps: Sequence[Cap]) -> NDArray[np.bool_]:
    """Say which of `left` (rows, items) are the best that caps let into their list once a listed item is out.

    Such an item shares with it every group of its own that is full. The best are looked for among those for whom the
    same caps are full: of two that are out of one group each, both may come in.
    """
    full = [_full(cap.groups[listed], cap.groups[left], cap.most) for cap in caps]
    found, every = np.zeros(left.shape, np.bool_), np.arange(len(left))
    for chosen in product((True, False), repeat=len(caps)):
        alike = left > 0
        for shut, wanted in zip(full, chosen, strict=True):
            alike &= shut == wanted
        shared = [cap for cap, wanted in zip(caps, chosen, strict=True) if wanted]
        kinds = np.where(alike, _kinds(left, shared), -1)
        for kind in _distinct(_kinds(listed, shared)).T:
            fits = kinds == kind[:, None]
            best = fits.argmax(1)
            found[every, best] |= fits[every, best] & (kind >= 0)
    return found


def _full(own: Ints, theirs: Ints, most: int) -> NDArray[np.bool_]:
    """Say which of `theirs` (rows, items) are groups that a row's `own` (rows, n) have `most` of; 0 is no group."""
    full = np.zeros(theirs.shape, np.bool_)
    for place in range(most - 1, own.shape[1]):
        group = own[:, place]
        rows = np.flatnonzero((group > 0) & ((own[:, : place + 1] == group[:, None]).sum(1) == most))
        full[rows] |= theirs[rows] == group[rows, None]
    return full


def _kinds(items: Ints, caps: Sequence[Cap]) -> NDArray[np.integer]:
    """Return numbers from 0, the same for items that share the groups of all caps."""
    sizes = [int(cap.groups.max()) + 1 for cap in caps]
    kinds = np.zeros(items.shape, np.int32 if math.prod(sizes) < 1 << 31 else np.int64)
    for cap, size in zip(caps, sizes, strict=True):
        kinds = kinds * kinds.dtype.type(size) + cap.groups[items]
    return kinds


def _distinct(kinds: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return (rows, most that a row has) each row's distinct numbers, -1 behind or between them."""
    kinds = np.sort(kinds, axis=1)
    kinds[:, 1:][kinds[:, 1:] == kinds[:, :-1]] = -1
    most = int((kinds >= 0).sum(1).max(initial=0))
    return np.sort(kinds, axis=1)[:, kinds.shape[1] - most :]
