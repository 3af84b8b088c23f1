"""Drift of features and scores: a night's snapshots and lists beside earlier ones in, stability indices out.

The population stability index compares a column's distribution with an earlier one, in tenths of the latter. Below
0.1 nothing has changed to speak of, above 0.25 much has (Siddiqi, "Credit Risk Scorecards", 2006, chapter 7); of few
rows chance alone makes some (Yurdakul, "Statistical Properties of Population Stability Index", 2018: it is about
chi-squared, bins - 1 degrees, times the sum of the inverse sizes).
"""

from dataclasses import dataclass
from datetime import date, timedelta

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import tables
from pipeline_tasks.lake.store import Missing
from pipeline_tasks.publishing import health, log, versions
from pipeline_tasks.reporting.night import NUMBERS, Absent, Night

SOME, MUCH = 0.1, 0.25
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Moved:
    """A feature's index against the night before, and against a week before where there is such a snapshot."""

    view: str
    column: str
    psi: float
    psi_week: float | None


@dataclass(frozen=True)
class Features:
    """The features' drift since the snapshots of `before` and `week`, those that moved most first."""

    before: str
    week: str | None
    moved: list[Moved]


@dataclass(frozen=True)
class Scores:
    """The scores' drift since the version that was live before, and the shares in tenths of that version's."""

    version: str
    psi: float
    now: list[float]
    live: list[float]


def of_features(night: Night) -> Features:
    """Compare the night's snapshots with earlier ones; raises Absent where there is none.

    Of the context's hours nothing is told: the calendar moves them, and there are 168.
    """
    before = tables.newest_before(night.store, "features/user_features", night.run_date)
    if before is None:
        raise Absent("there is no earlier snapshot")
    week = night.run_date - WEEK if before != night.run_date - WEEK else None
    moved = []
    for view in NUMBERS:
        now = night.table(f"features/{view}")
        weeks = _index(night, view, now, week) if week else {}
        found = _index(night, view, now, before)
        moved += [Moved(view, name, psi, weeks.get(name)) for name, psi in found.items()]
    ordered = sorted(moved, key=lambda each: (-max(each.psi, each.psi_week or 0.0), each.view, each.column))
    has_week = any(each.psi_week is not None for each in moved)
    return Features(str(before), str(week) if has_week else None, ordered)


def _index(night: Night, view: str, now: str, of: date) -> dict[str, float]:
    try:
        then = night.table(f"features/{view}", of)
    except Absent:
        return {}
    return {
        name: round(health.stability_index(*health.shares(night.engine, now, then, name)), 6)
        for name in NUMBERS[view]
    }


def of_scores(night: Night, version: str) -> Scores:
    """Compare the scores of the night's `version` with those of what was live before.

    Raises Absent where there is nothing to compare with, or where another kind of model made it: its scores have
    another scale.
    """
    entry = log.newest_before(night.store, night.run_date)
    if entry is None:
        raise Absent("nothing was live before this night")
    try:
        own, live = (versions.read_manifest(night.store, name)["model"] for name in (version, entry.version))
        views = [night.version(name) for name in (version, entry.version)]
    except (Refused, Missing) as error:
        raise Absent(f"no comparison with {entry.version}: {error}") from error
    if own["name"] != live["name"]:
        raise Absent(f"{own['name']} made these scores and {live['name']} those of {entry.version}")
    now, before = health.shares(night.engine, views[0], views[1], "score")
    return Scores(
        entry.version,
        round(health.stability_index(now, before), 6),
        *([round(share, 6) for share in each[: health.BINS]] for each in (now, before)),
    )
