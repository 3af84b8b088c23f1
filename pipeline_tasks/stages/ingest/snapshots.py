"""Items and users as of the night: from the source's files, or derived from the interactions."""

from pyspark import StorageLevel
from pyspark.sql import functions as F

from pipeline_tasks.contracts import SOURCE_TABLES
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.settings import night_end
from pipeline_tasks.sources.typed import REASONS
from pipeline_tasks.spark.arrivals import derived, is_good, merged, rejects
from pipeline_tasks.spark.reading import reading
from pipeline_tasks.spark.schemas import schema
from pipeline_tasks.stages.ingest.events import Arrived
from pipeline_tasks.stages.ingest.reads import Reads
from pipeline_tasks.stages.ingest.writes import Writes

FIRST_SEEN = {"items": "appeared_at", "users": "joined_at"}


def write_snapshot(reads: Reads, writes: Writes, name: str) -> None:
    """Write every version known at the night's end; without updated_at a version always holds.

    Raises Refused for a table without a row.
    """
    part, day = reads.parts[name], writes.night.run_date
    known = F.col("updated_at").isNull() | (F.col("updated_at") < F.lit(night_end(day)))
    typed = reads.typed(name).persist(StorageLevel.MEMORY_AND_DISK)
    with reading(part):
        found = typed.groupBy(known.alias("known"), REASONS).count().collect()
    if not found:
        raise Refused(f"{part.table.uri} has no rows of {name}", f"fill it, or remove {part.where}")
    counts = [(tuple(row[REASONS]), row["count"]) for row in found if row["known"]]
    good = sum(count for codes, count in counts if not codes)
    bad = [codes for codes, count in counts if codes for _ in range(count)]
    writes.write_rejected(name, day, rejects(typed.filter(known), part.contract), bad)
    writes.write(name, day, typed.filter(known & is_good()), good, derived=False)
    typed.unpersist()


def write_derived(writes: Writes, name: str, arrived: Arrived) -> None:
    """Write the ids that the interactions up to the night's end name, each with its first event."""
    contract, day, staging = SOURCE_TABLES[name], writes.night.run_date, writes.staging
    been = arrived.good.filter(F.col("event_time") < F.lit(night_end(day)))
    made = derived(been, contract, FIRST_SEEN[name])
    before = tables.newest_before(staging.store, f"raw/{name}", day)
    if before:
        known = staging.read(layout.raw(name, before), stage="ingest", schema=schema(contract))
        made = merged(known, made, contract, FIRST_SEEN[name])
    writes.write_rejected(name, day, arrived.rejected.limit(0), [])
    writes.write(name, day, made, 1, derived=True)
