"""The night's records and the commit log in; done only where it, or a newer night, is live, or it was asked not to be."""

from datetime import date

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake.records import Report, read_night
from pipeline_tasks.lake.store import open_store
from pipeline_tasks.reporting.ending import ending
from pipeline_tasks.settings import Settings


def run(settings: Settings, run_date: date) -> Report:
    """Say how the night ended; raises Refused with the first thing that went wrong."""
    store = open_store(settings.lake_uri)
    found = read_night(store, run_date)
    end = ending(store, run_date, found, settings.publish.mode)
    if not end.ok:
        hint = f"consumers still read {end.serves}" if end.serves else "nothing is published yet"
        raise Refused(end.line, hint)
    return Report(
        summary=f"{end.state}: {end.line}",
        facts={"state": end.state, "version": end.version, "status": {s: r.status for s, r in found.items()}},
    )
