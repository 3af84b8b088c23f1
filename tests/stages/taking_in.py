"""A night taken in: settings and a date in, and the raw tables that ingest made of it out."""

from datetime import date
from typing import Any

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.records import Report
from pipeline_tasks.settings import Settings
from pipeline_tasks.stages import ingest

FIRST, SECOND, THIRD, FOURTH = (date(2026, 1, day) for day in (10, 11, 12, 13))


def take(settings: Settings, night: date) -> Report:
    return ingest.run(settings, night)


def rows(lake: Any, table: str, day: date) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tables.read_table(lake, layout.raw(table, day), "ingest").to_pylist()
    return found


def users(lake: Any, day: date) -> list[str]:
    """Return whose events the day's partition holds."""
    return [row["user_id"] for row in rows(lake, "interactions", day)]
