"""A night's records and tables in, a page to look at out, whatever happened before; it never fails a night."""

import json
import traceback
from datetime import date
from typing import Any

from pipeline_tasks.lake import layout
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.reporting import page
from pipeline_tasks.reporting.summary import Summary, collect
from pipeline_tasks.settings import Settings


def run(settings: Settings, run_date: date) -> Report:
    """Write the page and the same as JSON; what cannot be drawn or written is said in the report."""
    try:
        store = open_store(settings.lake_uri)
        summary = collect(store, settings, run_date)
        facts = _write(store, run_date, summary)
    except Exception as error:  # the night's outcome is not the picture's
        traceback.print_exc()
        return Report(f"no page: {error}", facts={"error": str(error)})
    place = f"{store.uri}/{layout.report(run_date)}/index.html"
    return Report(f"{summary.state}, see {place}", facts={"page": place, "notes": summary.notes, **facts})


def _write(store: Store, run_date: date, summary: Summary) -> dict[str, Any]:
    """Write report.json and the page; return what went wrong in drawing it."""
    folder = layout.report(run_date)
    facts: dict[str, Any] = {}
    try:
        drawn = page.render(summary)
    except Exception as error:
        traceback.print_exc()
        facts["error"] = f"the page could not be drawn: {error}"
        drawn = (
            "<!doctype html><title>No page</title><p>The page could not be drawn; see report.json beside it."
        )
    content = json.dumps(summary.to_json(), indent=1, ensure_ascii=False)
    store.write(f"{folder}/report.json", content.encode())
    store.write(f"{folder}/index.html", drawn.encode())
    return facts
