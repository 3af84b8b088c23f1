"""Stage records: what a stage did for a night, with every clock and host; written around each run."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from typing import Any, Literal

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Missing, Store

STAGES = (
    "ingest",
    "validate",
    "preprocess",
    "features",
    "materialize",
    "dataset",
    "train",
    "evaluate",
    "recommend",
    "check",
    "publish",
    "report",
    "outcome",
)

Status = Literal["done", "nothing", "refused", "failed"]


@dataclass
class Report:
    """What a stage's `run` returns: one line for people, counts of rows, what was read and written.

    `inputs` maps a table to the date or version it was read at; `outputs` maps a partition to its digest;
    `facts` is anything the morning report shows, as JSON.
    """

    summary: str
    rows: dict[str, int] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Record:
    """A stage's newest run for a night. `turn` orders a night's records by no clock: each comes after all before it.

    `changed_before` is the turn of the newest run before a refused one that was not refused itself.
    """

    stage: str
    run_date: str
    status: Status
    started: str
    seconds: float
    peak_rss_bytes: int
    host: str
    code: str
    settings: str
    report: Report
    reason: str = ""
    turn: int = 0
    changed_before: int = 0

    @property
    def changed(self) -> int:
        """The turn of the newest run that may have changed something, as one that was refused has not; 0 without one."""
        return self.changed_before if self.status == "refused" else self.turn


FIELDS = frozenset(each.name for each in fields(Record))


def write(store: Store, record: Record) -> None:
    """Keep the record, replacing the one of an earlier run of the same stage and night."""
    key = layout.record(date.fromisoformat(record.run_date), record.stage)
    content = asdict(record)
    if not record.changed_before:
        del content["changed_before"]  # so that an image of the version before reads it too
    store.write(key, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False).encode())


def read(store: Store, run_date: date, stage: str) -> Record | None:
    """Return the stage's record for the night, or None; raises Refused for a damaged one.

    What a later version of this code keeps beside is passed over.
    """
    key = layout.record(run_date, stage)
    try:
        found = json.loads(store.read(key))
        content = {name: found[name] for name in FIELDS if name in found}
        return Record(**{**content, "report": Report(**content["report"])})
    except Missing:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise Refused(
            f"{store.uri}/{key} is damaged: {error}",
            f"run {stage} for {run_date} again, or remove the record",
        ) from error


def read_night(store: Store, run_date: date, stages: Sequence[str] = STAGES) -> dict[str, Record]:
    """Return the night's records by stage, in the order of the stages; raises Refused for a damaged one."""
    found = {stage: read(store, run_date, stage) for stage in stages}
    return {stage: record for stage, record in found.items() if record}


def readable(store: Store, run_date: date) -> tuple[dict[str, Record], dict[str, Refused]]:
    """Return the night's records as `read_night` does, without damaged ones, and what is wrong with each of these."""
    found: dict[str, Record] = {}
    damaged: dict[str, Refused] = {}
    for stage in STAGES:
        try:
            found |= read_night(store, run_date, (stage,))
        except Refused as error:
            damaged[stage] = error
    return found, damaged


def turn_of(store: Store, run_date: date, stage: str, *, changed: bool = False) -> int:
    """Return the turn of the stage's record for the night, or the one in which it has `changed` something.

    0 where there is none, or a damaged one.
    """
    try:
        record = read(store, run_date, stage)
    except Refused:
        return 0
    return (record.changed if changed else record.turn) if record else 0


def next_turn(store: Store, run_date: date) -> int:
    """Return the turn of a record that is written after all that the night has."""
    return max(turn_of(store, run_date, stage) for stage in STAGES) + 1


def nights(store: Store) -> list[date]:
    """Return the nights that have a record, oldest first; what else lies beside them is none."""
    return sorted(night for name in store.folders("runs/") if (night := layout.date_of(name)))
