"""What changed between two versions: views of their top_n in, counts of users and items out."""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

LISTS = """
    CREATE OR REPLACE TEMP TABLE {table} AS
    SELECT user_id, list(item_id ORDER BY rank) AS items FROM {view} GROUP BY user_id"""
USERS = """
    SELECT count(*) FILTER (b.items IS NULL) AS gone, count(*) FILTER (a.items IS NULL) AS new,
           count(*) FILTER (a.items = b.items) AS same,
           count(*) FILTER (a.items <> b.items AND list_sort(a.items) = list_sort(b.items)) AS reordered,
           count(*) FILTER (list_sort(a.items) <> list_sort(b.items) AND list_has_any(a.items, b.items)) AS changed,
           count(*) FILTER (NOT list_has_any(a.items, b.items)) AS replaced,
           avg(len(list_intersect(a.items, b.items)) / greatest(len(a.items), len(b.items)))
               FILTER (a.items IS NOT NULL AND b.items IS NOT NULL) AS kept
    FROM lists_a AS a FULL JOIN lists_b AS b USING (user_id)"""
# of every item how many more lists hold it in b than in a
ITEMS = """
    WITH places AS (SELECT unnest(items) AS item_id, -1 AS place FROM lists_a
                    UNION ALL SELECT unnest(items), 1 FROM lists_b),
    counted AS (SELECT item_id, sum(place)::BIGINT AS more, bool_or(place < 0) AS before, bool_or(place > 0) AS after
                FROM places GROUP BY item_id)
    SELECT * FROM counted"""


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


def compare(engine: duckdb.DuckDBPyConnection, a: str, b: str, shown: int = 5) -> Difference:
    """Compare the lists of the view `a` (user_id, rank, item_id) with those of `b`."""
    for table, view in (("lists_a", a), ("lists_b", b)):
        engine.execute(LISTS.format(table=table, view=view))
    ((gone, new, same, reordered, changed, replaced, kept),) = engine.sql(USERS).fetchall()
    items = engine.sql(ITEMS).fetchall()
    moved = sorted((more, item) for item, more, _, _ in items if more)
    return Difference(
        new=new,
        gone=gone,
        same=same,
        reordered=reordered,
        changed=changed,
        replaced=replaced,
        kept=kept or 0.0,
        new_items=sum(after and not before for _, _, before, after in items),
        gone_items=sum(before and not after for _, _, before, after in items),
        gained=[
            (item, more)
            for more, item in sorted(moved, key=lambda pair: (-pair[0], pair[1]))[:shown]
            if more > 0
        ],
        lost=[(item, more) for more, item in moved[:shown] if more < 0],
    )
