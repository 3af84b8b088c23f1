"""A lake in, the same without what retention lets go out; killed at any instant it leaves whole tables, and goes on."""

from collections.abc import Callable
from datetime import date
from itertools import groupby
from operator import attrgetter

from pipeline_tasks.lake import floors
from pipeline_tasks.lake.lease import hold
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing.alone import alone_with_versions
from pipeline_tasks.publishing.who import who
from pipeline_tasks.retention.holdings import Piece
from pipeline_tasks.retention.planning import Plan, plan
from pipeline_tasks.settings import Settings


def apply(store: Store, settings: Settings) -> Plan | None:
    """Remove what is old and nobody needs; return what was planned. No stage and no change of what is live meanwhile.

    Raises NightjarError where another writer does not make way, or has taken over.
    """
    with (
        hold(store, "nights", settings.lease, f"retention by {who()}") as nights,
        alone_with_versions(settings, "retention") as require_versions,
    ):
        found = plan(store, settings)

        def require() -> None:
            nights.require()
            require_versions()

        if found:
            remove(store, found, require)
    return found


def remove(store: Store, found: Plan, require: Callable[[], None]) -> None:
    """Remove what the plan lets go, oldest nights first; `require` raises where this run may not go on.

    First it is said which nights cannot be run again from now on. Of a night what makes its pieces whole goes first: a
    reader finds a piece whole or not at all, and what a kill leaves keeps its name and date, so that the next plan
    finds it. A night costs few requests, however many pieces it has.
    """
    if found.goes:
        require()
        floors.raise_to(store, found.floor)
    for _, night in groupby(sorted(found.goes, key=_place), key=attrgetter("night")):
        pieces = list(night)
        seals = [piece.seal for piece in pieces if piece.seal]
        require()
        store.delete(seals)
        store.delete([key for piece in pieces for key in piece.sizes if key != piece.seal])


def _place(piece: Piece) -> tuple[date, str]:
    return piece.night, piece.name
