"""What must stay however old it is: a lake's holdings and the oldest night that is to run again in; why by piece out.

A later night, or a rerun of a kept one, reads nights before it. What follows was found in the stages: each rule says
who reads. For any night from the floor on, the same bytes must come out whether retention has run or not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline_tasks.contracts import FEATURE_VIEWS
from pipeline_tasks.lake import tables
from pipeline_tasks.lake.tables import Commit
from pipeline_tasks.retention.holdings import EVENTS, Holdings, Piece
from pipeline_tasks.settings import Settings

# a piece, and why it stays
Need = tuple[Piece, str]
SNAPSHOTS = ("clean/items", "clean/users", "vocabulary/items", "vocabulary/users")


@dataclass(frozen=True)
class Reads:
    """Whose reading is asked about: every night from `floor` on, in this lake, with these settings."""

    holdings: Holdings
    settings: Settings
    floor: date

    def newest_before(self, table: str) -> Piece | None:
        """Return what the night `floor` finds as the table's newest before itself."""
        before = [piece for night, piece in self.holdings.whole(table).items() if night < self.floor]
        return before[-1] if before else None

    def commits(self, pieces: list[Piece]) -> dict[date, Commit]:
        """Return the commits of partitions of one table, by night."""
        found = tables.read_commits(self.holdings.store, [piece.name for piece in pieces], "the night")
        return dict(zip((each.night for each in pieces), found, strict=True))


def of_raw(reads: Reads) -> Iterator[Need]:
    """Yield what ingest, validate and preprocess read of raw arrivals."""
    events = reads.holdings.whole("raw/interactions")
    rejected = reads.holdings.whole("raw/interactions_rejected")
    clean = reads.newest_before(EVENTS)
    old = reads.commits([piece for day, piece in events.items() if day < reads.floor])
    for day in old:
        if clean is None or day > clean.night:
            why = f"night {reads.floor} cleans what arrived since the night before it"
            yield from ((each[day], why) for each in (events, rejected) if day in each)
    # ingest takes in every date that is missing after the newest one, and counts on from its total
    anchor = max((day for day in old if old[day].facts.get("night") != str(reads.floor)), default=None)
    if anchor:
        yield events[anchor], f"night {reads.floor} takes in what arrived after it"
    looked = reads.commits([piece for day, piece in rejected.items() if day < reads.floor])
    for day, commit in looked.items():
        if commit.rows:
            yield rejected[day], "a night with rejected rows that have no date looks up which were counted"
    for name in ("items", "users"):
        newest, own = reads.newest_before(f"raw/{name}"), reads.holdings.whole(f"raw/{name}").get(reads.floor)
        if newest and (own is None or reads.commits([own])[reads.floor].facts.get("derived")):
            yield newest, f"{name} are derived from the interactions, night by night"


def of_clean(reads: Reads) -> Iterator[Need]:
    """Yield what preprocess, features and dataset read: all history, and what a night goes on from."""
    for table in SNAPSHOTS:
        newest = reads.newest_before(table)
        if newest:
            what = (
                "ids go on from it" if table.startswith("vocabulary") else "what was fitted goes on from it"
            )
            yield newest, f"{what} in night {reads.floor}"
    events = reads.holdings.whole(EVENTS)
    commits = reads.commits(list(events.values()))
    found = list(events)
    before = [night for night in found if night < reads.floor][-1:]
    for start in [*before, *(night for night in found if night >= reads.floor)]:
        for night in tables.linked(commits, start):
            yield events[night], "every later night reads all history, of which this is a part"


def of_features(reads: Reads) -> Iterator[Need]:
    """Yield the snapshots of the days before the floor, and the encoders and vectors that it goes on from."""
    days = max(reads.settings.features.snapshots - 1, ranker_days(reads.settings)[0])
    since = reads.floor - timedelta(days=days)
    for view in FEATURE_VIEWS:
        for day, piece in reads.holdings.whole(f"features/{view}").items():
            if since <= day < reads.floor:
                yield piece, f"night {reads.floor} reads the {days} days of snapshots before it"
    for table in sorted(reads.holdings.tables("features") - {f"features/{view}" for view in FEATURE_VIEWS}):
        newest = reads.newest_before(table)
        if newest:
            yield newest, f"night {reads.floor} goes on with what was encoded before it"


def ranker_days(settings: Settings) -> tuple[int, int]:
    """Return how many days before a night's end a ranker's validation begins, and what it learns from, at the earliest.

    Before the holdout lies the validation, which may be as long, and before that what it learns from, which is no
    shorter than the validation (stages/train/ranking.py).
    """
    longest = settings.dataset.holdout_max_days
    return 2 * longest, 2 * longest + max(settings.ranking.days, longest)
