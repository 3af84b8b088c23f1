"""Take in what has arrived: the source's files in; raw/ out, typed by contract, rejects beside it with reasons.

The first night takes everything up to its end into one partition; later ones write a partition for each date
of arrival that is still missing. Items and users are snapshots of what was known at the night's end.
"""

from collections import Counter
from datetime import date

from pipeline_tasks.contracts import SOURCE_TABLES
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import open_store
from pipeline_tasks.settings import Settings
from pipeline_tasks.sources import (
    check_owner,
    choose,
    claim_lake,
    declared,
    identity,
    layouts,
    owner_of,
    told_unwritten,
)
from pipeline_tasks.spark.staging import open_staging
from pipeline_tasks.stages.ingest.events import read_arrived, write_events
from pipeline_tasks.stages.ingest.plan import plan
from pipeline_tasks.stages.ingest.reads import Reads
from pipeline_tasks.stages.ingest.snapshots import write_derived, write_snapshot
from pipeline_tasks.stages.ingest.writes import Writes


def run(settings: Settings, run_date: date) -> Report:
    """Ingest the night."""
    store = open_store(settings.lake_uri)
    night = plan(store, run_date)
    chosen = choose(settings)
    owner = identity(settings, chosen)
    check_owner(store, owner_of(store), owner)
    parts = {name: part for name in SOURCE_TABLES if (part := declared(chosen, name))}
    looked = {name: layouts(part) for name, part in parts.items()}
    with open_staging(settings, "ingest") as staging:
        reads = Reads(settings, staging, parts, looked)
        writes = Writes(staging, night)
        arrived = read_arrived(reads, night, chosen.source.default_event)
        claim_lake(store, owner)
        for name in ("items", "users"):
            if name in parts:
                write_snapshot(reads, writes, name)
            else:
                write_derived(writes, name, arrived)
        missed = write_events(writes, arrived)
    facts = {
        "source": chosen.name,
        "identity": owner,
        "first_night": night.after is None,
        "dates": [str(day) for day in night.dates],
        "files": {name: sum(len(each.files) for each in found) for name, found in looked.items()},
        "derived": sorted(set(SOURCE_TABLES) - set(parts)),
        "rejected": {name: dict(found) for name, found in writes.reasons.items()},
        "missed": missed,
        "warnings": [
            said
            for name, part in parts.items()
            for said in told_unwritten(part, looked[name], part.table.columns)
        ],
    }
    return Report(
        _summary(writes, len(night.dates), missed), rows=writes.rows, outputs=writes.outputs, facts=facts
    )


def _summary(writes: Writes, days: int, missed: int | None) -> str:
    rows = writes.rows
    parts = [
        f"{rows['interactions']:,} interactions{f' of {days} days' if days > 1 else ''}",
        f"{rows['items']:,} items",
        f"{rows['users']:,} users",
    ]
    reasons = sum(writes.reasons.values(), Counter[str]())
    if reasons:
        most = sorted(reasons.items(), key=lambda counted: (-counted[1], counted[0]))[:3]
        said = ", ".join(f"{reason} {count:,}" for reason, count in most)
        rejected = sum(count for name, count in rows.items() if name.endswith("_rejected"))
        parts.append(f"{rejected:,} rows rejected ({said})")
    if missed is None:
        parts.append("late rows cannot be counted: the source no longer holds what was taken in")
    elif missed:
        parts.append(
            f"{missed:,} rows came too late for a night that is past: let arrival say when they showed up"
        )
    return ", ".join(parts)
