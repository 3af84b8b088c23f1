"""The lists of final files as arrays: Parquet in; whose lists they are, and their items as whole numbers, out.

What is asked of every row of a list (is its item there twice? was it there before? has its user had it?) is asked of
such arrays, see `ragged`; what is asked of lists and items in SQL. A row takes 4 bytes, and a version is held as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_tasks.errors import Refused
from pipeline_tasks.publishing.ragged import Ragged, Whole, distinct
from pipeline_tasks.publishing.refill import Lists

NO_ID = -1
ALTERED = "it is not as check writes it: verify its version, or make another live"


class Codes:
    """Whole numbers for ids: from 0, those of `ids` in their order, then the others as they are met, by any thread."""

    def __init__(self, ids: pa.Array) -> None:
        self.ids = ids
        self._lock = Lock()

    def of(self, ids: pa.Array) -> Whole:
        """Return the code of each id, NO_ID for null."""
        with self._lock:
            found = pc.index_in(ids, value_set=self.ids)
            new = ids.filter(pc.and_(pc.is_null(found), pc.is_valid(ids)))
            if len(new):
                self.ids = pa.concat_arrays([self.ids, new.unique()])
                found = pc.index_in(ids, value_set=self.ids)
        return np.asarray(found.fill_null(NO_ID).to_numpy(), np.int64)


@dataclass(frozen=True)
class ListArrays:
    """Lists in the order of their file: list l is of `owners[l]`, its items' codes are items[begins[l]:begins[l + 1]].

    `facts` has a row a list: size, first and last rank, different ranks and items, lowest and highest score. Rows of an
    owner that do not lie together are lists of their own.
    """

    owners: pa.Array
    begins: Whole
    items: NDArray[np.int32]
    facts: pa.Table

    @property
    def sizes(self) -> Whole:
        return np.diff(self.begins)

    @property
    def lists(self) -> Ragged:
        """The lists' items."""
        return Ragged(self.items, self.begins[:-1], self.sizes)


def read_lists(path: Path, lists: Lists, codes: Codes) -> ListArrays:
    """Return the lists of a final file; raises Refused for one that has other columns or cannot be read."""
    try:
        with pq.ParquetFile(path, read_dictionary=[lists.owner, lists.item]) as file:
            table = file.read([lists.owner, "rank", lists.item, "score"], use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise Refused(f"{path} cannot be read: {error}", ALTERED) from error
    if not _has_columns(table, lists):
        raise Refused(f"{path} has other columns than lists have: {table.schema.to_string()}", ALTERED)
    owner, owners = _numbered(table[lists.owner])
    number, ids = _numbered(table[lists.item])
    items = np.append(codes.of(ids), NO_ID).astype(np.int32)[number]  # the last is where NO_ID points to
    starts = np.flatnonzero(np.diff(owner, prepend=NO_ID - 1))
    begins = np.append(starts, len(owner))
    ranks = table["rank"].fill_null(0).to_numpy().astype(np.int64)
    scores = table["score"].to_numpy()
    own = owners.take(pa.array(owner[starts], mask=owner[starts] == NO_ID))
    return ListArrays(own, begins, items, _facts(begins, ranks, items, scores))


def joined(parts: Sequence[ListArrays]) -> ListArrays:
    """Return the lists of several files as those of one."""
    rows = np.cumsum([0, *(len(part.items) for part in parts)])
    begins = [part.begins[:-1] + before for part, before in zip(parts, rows[:-1], strict=True)]
    return ListArrays(
        pa.concat_arrays([part.owners for part in parts]),
        np.concatenate([*begins, rows[-1:]]),
        np.concatenate([part.items for part in parts]),
        pa.concat_tables([part.facts for part in parts]),
    )


def rows_by_code(parts: Sequence[ListArrays], codes: Codes) -> Whole:
    """Return how many rows hold the item of each code."""
    rows = np.zeros(len(codes.ids), np.int64)
    for part in parts:
        rows += np.bincount(part.items[part.items != NO_ID], minlength=len(rows))
    return rows


def _has_columns(table: pa.Table, lists: Lists) -> bool:
    kinds = {field.name: field.type for field in table.schema}
    ids = (kinds.get(name) for name in (lists.owner, lists.item))
    return (
        all(kind and pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type) for kind in ids)
        and pa.types.is_integer(kinds.get("rank", pa.null()))
        and pa.types.is_floating(kinds.get("score", pa.null()))
    )


def _numbered(column: pa.ChunkedArray) -> tuple[Whole, pa.Array]:
    """Return each row's place among the column's different values, NO_ID for null, and those values."""
    if not len(column):
        return np.zeros(0, np.int64), pa.array([], pa.string())
    whole = column.unify_dictionaries().combine_chunks()
    return whole.indices.fill_null(NO_ID).to_numpy().astype(np.int64), whole.dictionary


def _facts(begins: Whole, ranks: Whole, items: NDArray[np.int32], scores: NDArray[Any]) -> pa.Table:
    starts, sizes = begins[:-1], np.diff(begins)
    in_order = np.array_equal(ranks, np.arange(1, len(ranks) + 1) - np.repeat(starts, sizes))
    return pa.table(
        {
            "size": sizes,
            "first": np.minimum.reduceat(ranks, starts) if len(starts) else sizes,
            "last": np.maximum.reduceat(ranks, starts) if len(starts) else sizes,
            "ranks": sizes if in_order else distinct(Ragged(ranks, starts, sizes)),
            "items": distinct(Ragged(items, starts, sizes)),
            "lowest": np.fmin.reduceat(scores, starts) if len(starts) else scores,
            "highest": np.fmax.reduceat(scores, starts) if len(starts) else scores,
        }
    )
