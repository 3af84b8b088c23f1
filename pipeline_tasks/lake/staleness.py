"""Nights that were made from what an earlier night's rerun has changed since: a mark beside their records."""

from datetime import date

from pipeline_tasks.lake import layout, records
from pipeline_tasks.lake.store import Missing, Store


def mark_after(store: Store, run_date: date, why: str) -> None:
    """Mark every night after `run_date` that has a record; change nothing else in them."""
    for later in (night for night in records.nights(store) if night > run_date):
        store.write(layout.stale(later), f"{why}\n".encode())


def clear(store: Store, run_date: date) -> None:
    """Take the night's mark away: it is made anew."""
    store.delete([layout.stale(run_date)])


def read(store: Store, run_date: date) -> str | None:
    """Return what has changed since the night was made, or None."""
    try:
        return store.read(layout.stale(run_date)).decode(errors="replace").strip()
    except Missing:
        return None
