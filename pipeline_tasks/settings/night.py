"""Nights: their name in, the moments that bound them out."""

import re
from datetime import UTC, date, datetime, timedelta

from pipeline_tasks.errors import Refused

DATE_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def parse_run_date(text: str) -> date:
    """Return the night named by `text` (YYYY-MM-DD); raises Refused when it is malformed."""
    if not re.match(DATE_PATTERN, text):
        raise Refused(f"run_date {text!r} is malformed", "write it as YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"run_date {text!r} is no day of the calendar", "write it as YYYY-MM-DD") from error


def refuse_unfinished(run_date: date, today: date) -> None:
    """Raise Refused for a day that is not over: what still arrives on it would belong to a night that is past."""
    if run_date >= today:
        raise Refused(
            f"run_date {run_date} is not over yet",
            f"today is {today} (UTC): run it once midnight UTC has ended that day",
        )


def night_end(run_date: date) -> datetime:
    """The cut of the night: events before this moment (UTC) are known."""
    return datetime(run_date.year, run_date.month, run_date.day, tzinfo=UTC) + timedelta(days=1)
