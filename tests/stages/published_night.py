"""Records, verdicts and versions as a night leaves them, without running it."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline_tasks.lake import layout, records, tables
from pipeline_tasks.lake.records import STAGES, Record, Report
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import verdicts
from pipeline_tasks.publishing.verdicts import Verdict
from tests.lists import NIGHT, make_version

LISTS: dict[str, Iterable[str]] = {"ann": ["i1", "i2"], "bob": ["i2", "i1"]}
BEGUN = datetime(2026, 1, 11, 2, tzinfo=UTC)
# a finding that holds a night back
HEALTH = {
    "name": "users_lost",
    "severity": "stop",
    "found": 0.3,
    "limit": 0.05,
    "holds": False,
    "sentence": "30% lost",
}


def record(stage: str, *, night: date = NIGHT, hours: float = 0, **fields: Any) -> Record:
    """Return a stage's record; stages begin a minute after each other, `hours` later than usual."""
    report = Report(f"{stage} is done", **{k: fields.pop(k) for k in ("rows", "facts") if k in fields})
    started = BEGUN + timedelta(minutes=STAGES.index(stage), hours=hours)
    usual: dict[str, Any] = {
        "status": "done",
        "seconds": 1.5,
        "peak_rss_bytes": 300 << 20,
        "host": "worker",
        "code": "0.1.0",
        "settings": "0123456789ab",
        "report": report,
    }
    return Record(stage=stage, run_date=str(night), started=started.isoformat(), **{**usual, **fields})


def write_records(store: Store, upto: str = "publish", night: date = NIGHT, **stages: dict[str, Any]) -> None:
    """Write the records of the stages up to and with `upto`; keyword arguments override a stage's fields."""
    for stage in STAGES[: STAGES.index(upto) + 1]:
        records.write(store, record(stage, night=night, **stages.get(stage, {})))


def write_checked(
    store: Store,
    folder: Path,
    night: date = NIGHT,
    lists: dict[str, Iterable[str]] | None = None,
    **verdict: Any,
) -> Verdict:
    """Write a version and the verdict on it; staged/top_n is a table that the verdict knows."""
    import pyarrow as pa

    commit = tables.write_table(store, layout.night("staged/top_n", night), pa.table({"rank": [1]}))
    manifest = make_version(store, folder, LISTS if lists is None else lists, night=night)
    usual = {
        "version": manifest.version,
        "manifest_sha256": manifest.sha256,
        "passed": True,
        "staged": {"staged/top_n": commit.digest},
    }
    found = Verdict(**{**usual, **verdict})
    verdicts.write(store, night, found)
    return found
