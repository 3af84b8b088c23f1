"""The night's records and lists in; a page for people, and the same content as JSON, out. It never fails a night."""

import json
from datetime import date

from pipeline_tasks.lake import layout
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import StoreError, open_store
from pipeline_tasks.reporting import page
from pipeline_tasks.reporting.summary import collect
from pipeline_tasks.settings import Settings


def run(settings: Settings, run_date: date) -> Report:
    """Write the night's page, whatever happened before; what cannot be drawn is said, and nothing more."""
    store = open_store(settings.lake_uri)
    folder = layout.report(run_date)
    try:
        night = collect(store, settings, run_date)
        store.write(f"{folder}/index.html", page.render(night).encode())
        content = json.dumps(night.to_dict(), indent=1, sort_keys=True, ensure_ascii=False)
        store.write(f"{folder}/report.json", content.encode())
    except StoreError:
        raise
    except Exception as error:  # a picture of the night is not the night
        return Report(f"the page could not be drawn: {error}", facts={"error": repr(error)})
    return Report(f"{store.uri}/{folder}/index.html", facts={"state": night.state})
