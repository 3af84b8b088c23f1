"""Whole lists that lost rows in; without what is blocked, within caps, with pins in place and new items enough, out."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_tasks.ranking.filled import PINNED, SOURCES, filled_of
from pipeline_tasks.ranking.selection import Cap, Rules, choose

# between the ids of a pair, which none of them has, and after an owner what comes behind its last pair
BETWEEN, AFTER = "\x00", "\x01"


def _nothing() -> pa.Array:
    return pa.array([], pa.string())


@dataclass(frozen=True)
class Placed:
    """An item that has its place in a list called `owner`, or in every list where that is empty."""

    owner: str
    item: str
    rank: int


@dataclass(frozen=True)
class Promised:
    """What a table's lists hold to, whatever has gone from them since they were staged.

    `pairs` are blocked (owner, item), written by `pair_keys`, in order; `needed` of the first 1, 2, … places are of the `new`
    items. A row of top_n that is pinned says so itself; other tables' are told by `pins`. `caps` have the groups of
    the `known` items, in their order from 1.
    """

    items: pa.Array = field(default_factory=_nothing)
    owners: pa.Array = field(default_factory=_nothing)
    pairs: pa.Array = field(default_factory=_nothing)
    pins: Sequence[Placed] = ()
    new: pa.Array = field(default_factory=_nothing)
    needed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    known: pa.Array = field(default_factory=_nothing)
    caps: Sequence[Cap] = ()

    def allowed(self, batch: pa.RecordBatch, owner: str, item: str) -> pa.RecordBatch:
        """Return the rows that nothing blocks."""
        blocked = pc.or_(
            pc.is_in(batch[item], value_set=self.items), pc.is_in(batch[owner], value_set=self.owners)
        )
        if len(pairs := self._pairs_of(batch[owner])):
            blocked = pc.or_(blocked, pc.is_in(pair_keys(batch[owner], batch[item]), value_set=pairs))
        return batch.filter(pc.invert(blocked))

    def _pairs_of(self, owners: pa.Array) -> pa.Array:
        """Return the pairs of the first to the last of the owners: all are too many to be hashed for every batch."""
        if not len(self.pairs) or not len(owners):
            return self.pairs.slice(0, 0)
        first, last = (owner.as_py() for owner in pc.min_max(owners).values())
        start, end = (
            bisect_left(self.pairs, key, key=lambda pair: pair.as_py())
            for key in (first + BETWEEN, last + AFTER)
        )
        return self.pairs.slice(start, end - start)

    def arranged(self, batch: pa.RecordBatch, owner: str, item: str, places: int) -> pa.RecordBatch:
        """Return whole lists' first `places` in their order; without pins, new items and caps, all rows."""
        pinned = self._pinned(batch, owner, item)
        if not batch.num_rows or not (pinned.any() or self.needed.any() or self.caps):
            return batch
        number, place = places_in_lists(batch[owner])
        rows = np.zeros((number[-1] + 1, place.max() + 1), np.int32)
        rows[number, place] = np.arange(1, batch.num_rows + 1)  # 0 is no row
        fixed = np.full((len(rows), places), -1, np.int64)
        rank = batch["rank"].to_numpy(zero_copy_only=False)
        pinned &= rank <= places
        fixed[number[pinned], rank[pinned] - 1] = place[pinned]
        new = None
        if self.needed.any():
            new = np.append(False, pc.is_in(batch[item], value_set=self.new).to_numpy(zero_copy_only=False))
        rules = Rules(caps=self._caps(batch[item]), new=new, needed=self.needed)
        chosen = choose(rows, places, rules, fixed)
        scores = np.append(0.0, batch["score"].to_numpy(zero_copy_only=False)).astype(np.float32)
        lists = filled_of(0, rows, scores[rows]).taken(chosen.columns).falling()
        there = lists.items > 0
        ordered = batch.take(pa.array(lists.items[there] - 1))
        at = ordered.schema.get_field_index("score")
        return ordered.set_column(at, ordered.schema.field(at), pa.array(lists.scores[there], pa.float32()))

    def _caps(self, items: pa.Array) -> list[Cap]:
        """Return the caps with the groups of these items, numbered from 1."""
        if not self.caps:
            return []
        number = pc.fill_null(pc.add(pc.index_in(items, value_set=self.known), 1), 0)
        known = np.append(0, number.to_numpy(zero_copy_only=False))
        return [replace(cap, groups=cap.groups[known]) for cap in self.caps]

    def _pinned(self, batch: pa.RecordBatch, owner: str, item: str) -> NDArray[np.bool_]:
        if "source" in batch.schema.names:
            own: NDArray[np.bool_] = pc.equal(batch["source"], SOURCES[PINNED]).to_numpy(zero_copy_only=False)
            return own.copy()
        pinned = np.zeros(batch.num_rows, np.bool_)
        for pin in self.pins:
            here = pc.and_(pc.equal(batch[item], pin.item), pc.equal(batch["rank"], pin.rank))
            if pin.owner:
                here = pc.and_(here, pc.equal(batch[owner], pin.owner))
            pinned |= here.to_numpy(zero_copy_only=False)
        return pinned


def pair_keys(owners: pa.Array, items: pa.Array) -> pa.Array:
    """Return one text for each (owner, item)."""
    return pc.binary_join_element_wise(owners, items, BETWEEN)


def whole_lists(batches: Iterable[pa.RecordBatch], owner: str) -> Iterator[pa.RecordBatch]:
    """Yield the same rows, sorted by owner, so that no list runs on from one batch to the next."""
    held: pa.RecordBatch | None = None
    for batch in batches:
        rows = batch if held is None else pa.concat_batches([held, batch])
        if not rows.num_rows:
            continue
        number, _ = places_in_lists(rows[owner])
        last = int(np.searchsorted(number, number[-1]))
        if last:
            yield rows.slice(0, last)
        held = rows.slice(last)
    if held is not None:
        yield held


def places_in_lists(owners: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each row's list, numbered from 0, and its place in it, from 0."""
    begins = np.ones(len(owners), np.bool_)
    begins[1:] = pc.not_equal(owners.slice(1), owners.slice(0, len(owners) - 1)).to_numpy(
        zero_copy_only=False
    )
    number = np.cumsum(begins) - 1
    return number, np.arange(len(owners)) - np.flatnonzero(begins)[number]
