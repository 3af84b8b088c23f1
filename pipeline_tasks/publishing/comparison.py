"""What changed between two versions: the lists of their top_n in, counts of users and items out."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipeline_tasks.publishing.difference import Difference
from pipeline_tasks.publishing.list_arrays import Codes, ListArrays, joined, rows_by_code
from pipeline_tasks.publishing.ragged import equal, shared
from pipeline_tasks.publishing.refill import FILES_AT_ONCE


def compare(
    before: Sequence[ListArrays], now: Sequence[ListArrays], codes: Codes, shown: int = 5
) -> Difference:
    """Compare two versions' top_n, read file by file with the same `codes`.

    Where both have as many files, a user's lists are in the same of them, and each is compared with its own.
    """
    if len(before) != len(now):
        before, now = [joined(before)], [joined(now)]
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        of_files = list(pool.map(_count, before, now))
    users = {name: sum(counts[name] for counts in of_files) for name in of_files[0]}
    stayed, both = users.pop("stayed"), sum(len(part.owners) for part in now) - users["new"]
    places_before, places = (rows_by_code(parts, codes) for parts in (before, now))
    more = places - places_before
    moved = sorted((int(more[code]), codes.ids[code].as_py()) for code in np.flatnonzero(more))
    return Difference(
        **users,
        kept=stayed / both if both else 0.0,
        new_items=int(((places > 0) & (places_before == 0)).sum()),
        gone_items=int(((places == 0) & (places_before > 0)).sum()),
        gained=[
            (item, more)
            for more, item in sorted(moved, key=lambda pair: (-pair[0], pair[1]))[:shown]
            if more > 0
        ],
        lost=[(item, more) for more, item in moved[:shown] if more < 0],
    )


def _count(a: ListArrays, b: ListArrays) -> dict[str, Any]:
    """Return how many lists of `a` became what in `b`, and the sum of the shares that stayed; owners come once in each."""
    in_a = pc.index_in(b.owners, value_set=a.owners).fill_null(-1).to_numpy()
    both = np.flatnonzero(in_a >= 0)
    lists_a, lists_b = a.lists.taken(in_a[both]), b.lists.taken(both)
    stayed, sizes, sizes_a = shared(lists_a, lists_b), lists_b.sizes, lists_a.sizes
    alike = (stayed == sizes) & (stayed == sizes_a)
    same = int((alike & equal(lists_a, lists_b)).sum())
    return {
        "new": len(b.owners) - len(both),
        "gone": len(a.owners) - len(both),
        "same": same,
        "reordered": int(alike.sum()) - same,
        "changed": int(((stayed > 0) & ~alike).sum()),
        "replaced": int((stayed == 0).sum()),
        "stayed": float((stayed / np.maximum(sizes, sizes_a)).sum()),
    }
