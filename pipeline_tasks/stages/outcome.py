"""The night's records and the commit log in; done only where it has gone live, or a newer night is, or it was asked not to."""

import os
from datetime import date

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake.records import Report, read_night
from pipeline_tasks.lake.store import open_store
from pipeline_tasks.reporting.ending import CHAIN, ending
from pipeline_tasks.settings import Settings

# in the environment: the stages that the scheduler saw fail in this run
FAILED = "NIGHTJAR_FAILED"


def run(settings: Settings, run_date: date) -> Report:
    """Say how the night ended; raises Refused with the first thing that went wrong.

    A stage that failed before it could begin leaves the record of its last run: of that the scheduler alone knows. One whose
    record says so itself is publish, of a night that was held and has been released since.
    """
    store = open_store(settings.lake_uri)
    found = read_night(store, run_date, CHAIN)
    end = ending(store, run_date, found, settings.publish.mode)
    if not end.ok:
        hint = f"consumers still read {end.serves}" if end.serves else "nothing is published yet"
        raise Refused(end.line, hint)
    failed = os.environ.get(FAILED, "").split()
    for stage in CHAIN:
        if stage in failed and found[stage].status != "refused":
            raise Refused(
                f"{stage} failed in this run and kept no record; an earlier run left the night {end.state}: {end.line}",
                f"see the log of {stage}, and clear it",
            )
    return Report(
        summary=f"{end.state}: {end.line}",
        facts={"state": end.state, "version": end.version, "status": {s: r.status for s, r in found.items()}},
    )
