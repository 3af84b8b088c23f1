"""The night's interactions: those that arrived on its dates, and the rejected ones among them."""

from dataclasses import dataclass
from datetime import date

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Observation, Row
from pyspark.sql import functions as F

from pipeline_tasks.contracts import INTERACTIONS
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.sources import Declared
from pipeline_tasks.sources.typed import REASON, REASONS
from pipeline_tasks.spark.arrivals import ARRIVED, REJECTED, dated, is_good, not_yet_rejected, rejects
from pipeline_tasks.spark.reading import reading
from pipeline_tasks.stages.ingest.plan import Night
from pipeline_tasks.stages.ingest.reads import Reads
from pipeline_tasks.stages.ingest.writes import Writes

EXAMPLES = 3


@dataclass(frozen=True)
class Arrived:
    """The night's interactions, in memory: `frame` has all of them, `counts` their number by date and codes.

    `older` counts the source's good rows dated before the night.
    """

    frame: DataFrame
    counts: list[Row]
    older: int

    @property
    def good(self) -> DataFrame:
        return self.frame.filter(is_good())

    @property
    def rejected(self) -> DataFrame:
        return rejects(self.frame, INTERACTIONS)


def read_arrived(reads: Reads, night: Night, default_event: str) -> Arrived:
    """Read the night's interactions. Raises Refused on a first night that has none, with the reason."""
    part = reads.parts["interactions"]
    every = dated(reads.typed("interactions"), default_event)
    late = is_good() & (F.col(ARRIVED) <= F.lit(night.after))
    passing = Observation()  # of all rows, while those of the night are read
    observed = every.observe(passing, F.count_if(late).alias("older"))
    frame = observed.filter(_of_the_night(night)).persist(StorageLevel.MEMORY_AND_DISK)
    with reading(part):
        counts = frame.groupBy(ARRIVED, REASONS).count().collect()
        if night.after is None and not any(not row[REASONS] for row in counts):
            _refuse_nothing(part, every, night)
        # adaptive execution drops what turns out to be empty from a plan, and what was observed there with it
        older = passing.get["older"] if counts else every.filter(late).count()
    return Arrived(frame, counts, older)


def write_events(writes: Writes, arrived: Arrived) -> int | None:
    """Write a partition for each of the night's dates, its own last; return the rows that came too late.

    A row came too late when it shows up after its date was taken in. None where that cannot be counted: the
    source holds fewer rows of the dates before than were taken in, since it is a window that moves on.
    """
    night, total = writes.night, _rows_before(writes)
    missed = arrived.older - total if arrived.older >= total else None
    for day in night.dates:
        of_day = _on(day, night)
        rows = sum(row["count"] for row in arrived.counts if not row[REASONS] and _is_on(row, day, night))
        total += rows
        _write_rejected(writes, arrived, day)
        writes.write("interactions", day, arrived.good.filter(of_day), rows, total=total)
    arrived.frame.unpersist()
    return missed


def _of_the_night(night: Night) -> Column:
    """Return whether a row is of the night's dates; rejected rows without any date may be."""
    upto = F.col(ARRIVED) <= F.lit(night.run_date)
    since = F.lit(True) if night.after is None else F.col(ARRIVED) > F.lit(night.after)
    return F.col(ARRIVED).isNull() | (upto & since)


def _on(day: date, night: Night) -> Column:
    return F.col(ARRIVED).isNotNull() if night.after is None else F.col(ARRIVED) == F.lit(day)


def _is_on(row: Row, day: date, night: Night) -> bool:
    return row[ARRIVED] is not None and (night.after is None or row[ARRIVED] == day)


def _rows_before(writes: Writes) -> int:
    """Return how many interactions the nights before have taken in."""
    after = writes.night.after
    if after is None:
        return 0
    commit = tables.require_commit(writes.staging.store, layout.raw("interactions", after), "ingest")
    return int(commit.facts["total"])


def _write_rejected(writes: Writes, arrived: Arrived, day: date) -> None:
    night = writes.night
    codes = [(row, tuple(row[REASONS])) for row in arrived.counts if row[REASONS]]
    here = [code for row, code in codes if _is_on(row, day, night) for _ in range(row["count"])]
    frame = rejects(arrived.frame.filter(_on(day, night)), INTERACTIONS)
    if day == night.run_date and any(row[ARRIVED] is None for row, _ in codes):
        undated = _new_undated(writes, arrived)
        here.extend(tuple(row[REASONS]) for row in undated.select(REASONS).toLocalIterator())
        frame = frame.union(undated)
    writes.write_rejected("interactions", day, frame, here)


def _new_undated(writes: Writes, arrived: Arrived) -> DataFrame:
    """Return the rejected rows without a date that no other partition has counted."""
    undated = rejects(arrived.frame.filter(F.col(ARRIVED).isNull()), INTERACTIONS)
    others = [
        layout.raw("interactions_rejected", day)
        for day in tables.committed(writes.staging.store, "raw/interactions_rejected")
        if day not in writes.night.dates
    ]
    if not others:
        return undated
    return not_yet_rejected(undated, writes.staging.read(*others, stage="ingest", schema=REJECTED))


def _refuse_nothing(part: Declared, every: DataFrame, night: Night) -> None:
    uri = part.table.uri
    (found,) = every.agg(F.count("*"), F.min(F.when(is_good(), F.col(ARRIVED)))).collect()
    rows, first = found
    if first:
        raise Refused(
            f"no interaction had arrived by the end of {night.run_date}: the first of {uri} arrived on {first}",
            f"choose a run_date from {first} on",
        )
    if not rows:
        raise Refused(f"{uri} has no rows of interactions", "see what the source wrote")
    examples = [row[REASON] for row in every.select(REASON).distinct().take(EXAMPLES)]
    raise Refused(
        f"none of the {rows:,} rows of {uri} can be typed: {'; '.join(sorted(examples))}",
        f"correct {part.where}.columns in the settings",
    )
