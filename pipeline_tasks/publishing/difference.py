"""What a comparison of two versions comes to: counts of users and items in, lines for people out."""

from collections.abc import Iterator
from dataclasses import dataclass


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
