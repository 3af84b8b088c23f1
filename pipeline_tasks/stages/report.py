"""A night's records and tables in, a page to look at out, whatever happened before; it never fails a night."""

import json
import traceback
from collections.abc import Callable
from datetime import date
from typing import Any

from pipeline_tasks.lake import layout
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.reporting import card, morning, page, trends
from pipeline_tasks.reporting.morning import Morning
from pipeline_tasks.settings import Settings

NO_PAGE = b"<!doctype html><title>No page</title><p>The page could not be drawn; see report.json beside it."


def run(settings: Settings, run_date: date) -> Report:
    """Write report.json, the page, its card, and the page over all nights; what goes wrong is said in the report."""
    try:
        store = open_store(settings.lake_uri)
        found = morning.collect(store, settings, run_date)
        errors = _write(store, settings, run_date, found)
    except Exception as error:  # the night's outcome is not the picture's
        traceback.print_exc()
        return Report(f"no page: {error}", facts={"error": str(error)})
    told = found.content
    place = f"{store.uri}/{layout.report(run_date)}/index.html"
    facts = {"page": place, "notes": told["notes"], "online": told.get("online"), **errors}
    return Report(f"{told['state']}, see {place}", facts=facts)


def _write(store: Store, settings: Settings, run_date: date, found: Morning) -> dict[str, Any]:
    """Write what the night has; return what went wrong in drawing it."""
    folder, errors = layout.report(run_date), []

    def drawn(what: str, draw: Callable[[], bytes], otherwise: bytes | None = None) -> bytes | None:
        try:
            return draw()
        except Exception as error:
            traceback.print_exc()
            errors.append(f"{what} could not be drawn: {error}")
            return otherwise

    content = json.dumps(found.content, indent=1, ensure_ascii=False)
    told = json.loads(content)  # a page is drawn from what its report.json holds
    store.write(f"{folder}/report.json", content.encode())
    pages = {
        f"{folder}/index.html": drawn(
            "the page", lambda: page.render(told, found.pictures).encode(), NO_PAGE
        ),
        f"{folder}/report.png": drawn("the card", lambda: card.draw(told)),
        layout.REPORT_INDEX: drawn("the page over all nights", lambda: _index(store, settings)),
    }
    for key, data in pages.items():
        if data is not None:
            store.write(key, data)
    return {"error": "; ".join(errors)} if errors else {}


def _index(store: Store, settings: Settings) -> bytes:
    nights, unreadable = trends.lines(store, settings.report.index_nights)
    return page.render_index(nights, unreadable).encode()
