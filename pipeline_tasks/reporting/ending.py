"""How a night ended: its records and the commit log in, one verdict out."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pipeline_tasks.lake.records import STAGES, Record
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log, verdicts, withdrawals
from pipeline_tasks.publishing.log import Entry
from pipeline_tasks.publishing.verdicts import Verdict

# what a night is made of; the report is a picture of it, and the outcome is this
CHAIN = STAGES[: STAGES.index("publish") + 1]


@dataclass(frozen=True)
class Ending:
    """`state` in a word, `line` for people, the night's own version, and the one that consumers read now.

    `at` is the first stage that went wrong. What went wrong before a version was judged has none. A night that
    is held ended as asked only where it was to be held. `entry` is the newest of the log that made the night's version live,
    which it is no more where the state is past.
    """

    state: Literal["live", "unchanged", "past", "unpublished", "held", "failed"]
    line: str
    version: str | None
    serves: str | None
    at: str | None = None
    entry: Entry | None = None

    @property
    def ok(self) -> bool:
        return self.state != "failed" and self.at is None


def ending(store: Store, run_date: date, found: dict[str, Record], publish: str) -> Ending:
    """Return how the night ended; `found` are its records, `publish` is the mode that was asked for."""
    live, verdict = log.newest(store), read_judged(store, run_date, found)
    serves, version = live.version if live else None, verdict.version if verdict else None
    last = log.newest_of(store, version) if version else None
    broken = first_broken(found)
    if broken and not is_released(store, found, verdict, live):
        at, line = broken
        judged = at == "publish" or (at == "check" and verdict is not None and not verdict.passed)
        held = verdict is not None and verdict.passed and bool(verdict.held_by)
        waits = at == "publish" and held and serves != version
        if waits and live and last and is_left(store, last, live):
            return Ending("past", _until(store, last, live), version, serves, at, last)
        state: Literal["held", "failed"] = "held" if waits and publish == "auto" else "failed"
        return Ending(state, line, version if judged else None, serves, at)
    skipped = found["publish"].status == "nothing"
    if skipped and last and serves == version:
        line = f"{version}, live since entry {last.sequence} of the log"
        return Ending("unchanged", line, version, serves, entry=last)
    if last and live and serves != version and (skipped or is_left(store, last, live)):
        return Ending("past", _until(store, last, live), version, serves, entry=last)
    if skipped and live and date.fromisoformat(live.run_date) > run_date:
        line = f"{version} passed its check, and the newer night {live.run_date} is live"
        return Ending("unpublished", line, version, serves)
    if skipped and publish == "off":
        line = f"{version} passed its check, and was asked not to go live"
        return Ending("unpublished", line, version, serves)
    if skipped and publish == "hold":
        return Ending("held", f"{version} passed its check, and waits to be released", version, serves)
    if last is None:
        reason = found["publish"].reason or found["publish"].report.summary
        return Ending("failed", f"the night is not live: {reason}", version, serves)
    return Ending("live", f"{version}, entry {last.sequence} of the log", version, serves, entry=last)


def is_left(store: Store, last: Entry, live: Entry) -> bool:
    """Say whether somebody went back from what `last` made live, or forced an older night's version live over it."""
    older = date.fromisoformat(live.run_date) < date.fromisoformat(last.run_date)
    return older or withdrawals.withdrawn(store, last.version) is not None


def _until(store: Store, last: Entry, live: Entry) -> str:
    """Say what became of a version that `last` made live."""
    gone = withdrawals.withdrawn(store, last.version)
    until = f"was rolled back by {gone.who} in entry {gone.sequence}" if gone else "was live before"
    return f"{last.version} {until}, and {live.version} is live"


def read_judged(store: Store, run_date: date, found: dict[str, Record]) -> Verdict | None:
    """Return the night's verdict, or None; where retention has removed it, what the record of its check keeps of it.

    Records stay longer. That of a check which was refused keeps nothing. Raises Refused for a damaged verdict.
    """
    verdict = verdicts.read(store, run_date)
    facts = found["check"].report.facts if "check" in found else {}
    if verdict or "version" not in facts:
        return verdict
    health, warnings = facts.get("health", []), facts.get("warnings", [])
    return Verdict(facts["version"], "", True, {}, health=health, warnings=warnings)


def first_broken(found: dict[str, Record]) -> tuple[str, str] | None:
    """Return the first stage that went wrong, and how; None where every stage is well.

    A record that is older than that of the stage ahead of it is from an earlier run: in this one the stage
    died without a word, or was never reached.
    """
    ahead: Record | None = None
    for stage in CHAIN:
        record = found.get(stage)
        if record is None:
            return stage, f"{stage} has not run"
        if ahead and is_older(record, ahead):
            silent = "it could not begin, was killed, or was not reached: see its log"
            return stage, f"{stage} left no record after {ahead.stage} ran: {silent}"
        if record.status in ("failed", "refused"):
            return stage, f"{stage} {record.status}: {record.reason}"
        ahead = record
    return None


def is_released(store: Store, found: dict[str, Record], verdict: Verdict | None, live: Entry | None) -> bool:
    """Say whether its health held the night's version back, and somebody has made it live since, and nobody left it.

    Where another version of the night went live after it, this one was made again after that, and is held once more.
    """
    publish = of_this_run(found).get("publish")
    if publish is None or publish.status != "refused" or verdict is None or not verdict.passed:
        return False
    last = log.newest_on(store, date.fromisoformat(publish.run_date)) if verdict.held_by else None
    if live is None or last is None or last.version != verdict.version:
        return False
    return not is_left(store, last, live)


def is_older(record: Record, ahead: Record) -> bool:
    """Say whether a record is from an earlier run than that of a stage ahead of it.

    Clocks of several hosts differ: they decide only where a record is from before these had turns.
    """
    if record.turn and ahead.turn:
        return record.turn < ahead.turn
    return datetime.fromisoformat(record.started) < datetime.fromisoformat(ahead.started)


def of_this_run(found: dict[str, Record]) -> dict[str, Record]:
    """Return the records that are not older than one of a stage ahead of them."""
    kept: dict[str, Record] = {}
    ahead: Record | None = None
    for stage, record in found.items():
        if ahead is None or not is_older(record, ahead):
            kept[stage] = ahead = record
    return kept
