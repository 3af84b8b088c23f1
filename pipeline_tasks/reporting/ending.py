"""How a night ended: its records and the commit log in, one verdict out."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pipeline_tasks.lake.records import STAGES, Record
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log, versions

# what a night is made of; the report is a picture of it, and the outcome is this
CHAIN = STAGES[: STAGES.index("publish") + 1]


@dataclass(frozen=True)
class Ending:
    """`state` in a word, `line` for people, and the version that consumers read now, if any."""

    state: Literal["live", "unchanged", "unpublished", "failed"]
    line: str
    version: str | None
    serves: str | None

    @property
    def ok(self) -> bool:
        return self.state != "failed"


def ending(store: Store, run_date: date, found: dict[str, Record], publish: str) -> Ending:
    """Return how the night ended; `found` are its records, `publish` is "auto" or "off", as it was asked."""
    live, verdict = log.newest(store), versions.read_verdict(store, run_date)
    serves, version = live.version if live else None, verdict.version if verdict else None
    broken = first_broken(found)
    if broken:
        return Ending("failed", broken, None, serves)
    last = log.newest_of(store, version) if version else None
    skipped = found["publish"].status == "nothing"
    if last is None and skipped and publish == "off":
        return Ending(
            "unpublished", f"{version} passed its check, and was asked not to go live", version, serves
        )
    if last is None:
        reason = found["publish"].reason or found["publish"].report.summary
        return Ending("failed", f"the night is not live: {reason}", version, serves)
    if skipped:
        return Ending("unchanged", f"{version} is live since entry {last.sequence}", version, serves)
    return Ending("live", f"{version} is live, entry {last.sequence} of the log", version, serves)


def first_broken(found: dict[str, Record]) -> str | None:
    """Return what went wrong first in a night's records, by stage; None where every stage is well.

    A record that began before that of the stage ahead of it is from an earlier run: in this one the stage
    died without a word, or was never reached.
    """
    ahead: Record | None = None
    for stage in CHAIN:
        record = found.get(stage)
        if record is None:
            return f"{stage} has not run"
        if ahead and datetime.fromisoformat(record.started) < datetime.fromisoformat(ahead.started):
            return f"{stage} left no record after {ahead.stage} ran: it was killed, or not reached"
        if record.status in ("failed", "refused"):
            return f"{stage} {record.status}: {record.reason}"
        ahead = record
    return None
