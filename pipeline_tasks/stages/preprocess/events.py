"""The night's interactions: good events in; clean ones, duplicates counted, and quarantined ones out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.contracts import INTERACTIONS
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.tables import Commit
from pipeline_tasks.settings import night_end
from pipeline_tasks.spark import cleaning, event_cleaning
from pipeline_tasks.spark.bots import count_by_hour, find_bots, usual_events_per_hour
from pipeline_tasks.spark.missing import REASON, count_missing
from pipeline_tasks.stages.preprocess.work import KEPT, Work

TABLE = "clean/interactions"
ORDER = ("event_time", "user_id", "item_id", "event_type")
BOTS_NAMED = 5


@dataclass(frozen=True)
class CleanedEvents:
    """Events with their fates (see event_cleaning); `kept` are facts that later nights need.

    `earlier` are the nights before with the commits of their clean events, oldest first; `after` is the last of them.
    """

    frame: DataFrame
    earlier: dict[date, Commit]
    after: date | None
    duplicates: dict[str, int]
    reasons: dict[str, int]
    missing: dict[str, int]
    bots: dict[str, int]
    kept: dict[str, Any]

    def ids(self, name: str) -> DataFrame:
        """Return the ids, in the column `name`, of tonight's events but those that are still to happen."""
        reason = F.col(REASON)
        return self.frame.where(reason.isNull() | (reason != event_cleaning.FUTURE)).select(name)


def clean_events(work: Work, good: DataFrame, after: date | None) -> CleanedEvents:
    """Give every event of the night its fate. `after` is the clean night before."""
    preprocess = work.settings.preprocess
    chain = {} if after is None else tables.chain(work.staging.store, TABLE, after)
    earlier = read_nights(work, chain) if chain else None
    end = night_end(work.run_date)
    labelled = event_cleaning.label_events(good, earlier, end, preprocess.near_duplicate_seconds).persist(
        KEPT
    )
    strategies, scales = work.strategies(INTERACTIONS), work.scales(INTERACTIONS)
    before = work.before(TABLE)
    past = before.facts if before else {}
    fitted = _fit(labelled.where(event_cleaning.is_clean()), strategies, scales, past.get("fitted", {}))
    filled = cleaning.handle_missing(labelled, INTERACTIONS, strategies, fitted, work.settings.seed)
    hourly = count_by_hour(filled.where(event_cleaning.is_clean())).persist(KEPT)
    tonight = usual_events_per_hour(hourly, preprocess.bot_floor_events_per_hour)
    usual = max((each for each in (tonight, past.get("usual_events_per_hour")) if each), default=None)
    bots = find_bots(hourly, preprocess.bot_floor_events_per_hour, preprocess.bot_factor, usual)
    frame = event_cleaning.mark_bots(filled, bots)
    duplicates, reasons = event_cleaning.count_fates(frame)
    named = bots.orderBy(F.desc("events"), "user_id").limit(BOTS_NAMED).collect() if "bot" in reasons else []
    return CleanedEvents(
        frame,
        chain,
        after,
        duplicates,
        reasons,
        count_missing(good, list(strategies)),
        {row["user_id"]: row["events"] for row in named},
        {"fitted": fitted, "usual_events_per_hour": past.get("usual_events_per_hour") or tonight},
    )


def write_events(work: Work, events: CleanedEvents) -> None:
    """Commit what is quarantined and what is clean; the clean events last, they mark the night as done.

    Clean events have no integers: a later night reads them by its own vocabulary, which the vocabulary of this one need
    not begin once this one was run again.
    """
    work.quarantine(INTERACTIONS, events.frame.where(event_cleaning.is_quarantined()))
    clean = events.frame.where(event_cleaning.is_clean()).drop(REASON, event_cleaning.DUPLICATE)
    extra = [name for name in clean.columns if name not in INTERACTIONS.names]
    columns = [*INTERACTIONS.names, *extra]
    work.write(TABLE, clean.select(*columns), ORDER, after=events.after, facts=events.kept)


def read_nights(work: Work, nights: Iterable[date]) -> DataFrame:
    """Return the clean events of some nights."""
    return work.staging.read(*(layout.night(TABLE, night) for night in nights), stage="preprocess")


def _fit(
    clean: DataFrame, strategies: cleaning.Strategies, scales: dict[str, str], past: cleaning.Fitted
) -> cleaning.Fitted:
    """Return what the first night with values has fitted: the nights' events stay on one scale."""
    what = cleaning.wanted(strategies, scales)
    known = cleaning.prefer(past, {}, what)
    if all(set(known[part]) == set(kinds) for part, kinds in what.items()):
        return known
    return cleaning.prefer(known, cleaning.fit(clean, what), what)
