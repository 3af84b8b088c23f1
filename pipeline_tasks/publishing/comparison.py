"""What changed between two versions: the lists of their top_n in, counts of users and items out."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipeline_tasks.publishing.list_arrays import Codes, ListArrays, joined, rows_by_code
from pipeline_tasks.publishing.ragged import equal, shared
from pipeline_tasks.publishing.refill import FILES_AT_ONCE


@dataclass(frozen=True)
class Difference:
    """Users by what became of their list, the mean share of a list that stayed, and items by lists that hold them.

    `new_items` and `gone_items` are in no list of the other version; `gained` and `lost` are the items whose
    number of lists rose and fell most, with by how much.
    """

    new: int
    gone: int
    same: int
    reordered: int
    changed: int
    replaced: int
    kept: float
    new_items: int
    gone_items: int
    gained: list[tuple[str, int]]
    lost: list[tuple[str, int]]

    @property
    def both(self) -> int:
        """Users who have a list in both."""
        return self.same + self.reordered + self.changed + self.replaced

    @property
    def before(self) -> int:
        """Users who had a list."""
        return self.both + self.gone

    def lines(self) -> Iterator[str]:
        """Yield it for a terminal."""
        yield f"users      {self.both:,} in both, {self.new:,} new, {self.gone:,} gone"
        if self.both:
            yield (
                f"lists      {self.same:,} the same, {self.reordered:,} in another order, {self.changed:,} changed in "
                f"part, {self.replaced:,} wholly; {self.kept:.1%} of a list stayed"
            )
        yield f"items      {self.new_items:,} came into the lists, {self.gone_items:,} left them"
        for title, found in (("gained", self.gained), ("lost", self.lost)):
            if found:
                yield f"{title:<11}" + ", ".join(f"{item} {more:+,}" for item, more in found)


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
