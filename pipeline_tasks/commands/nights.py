"""The night that a command is for: what was typed or the environment in, a date out."""

import argparse
import os
from datetime import UTC, date, datetime

from pipeline_tasks import settings
from pipeline_tasks.errors import Refused


def add_run_date(parser: argparse.ArgumentParser) -> None:
    """Add --run-date, which the scheduler gives by the environment."""
    parser.add_argument("--run-date", help="the night, YYYY-MM-DD; by default NIGHTJAR_RUN_DATE")


def night(text: str | None) -> date:
    """Return the night of --run-date or NIGHTJAR_RUN_DATE; no stage asks a clock which night it is."""
    found = text or os.environ.get("NIGHTJAR_RUN_DATE")
    if not found:
        raise Refused("no run date", "say --run-date YYYY-MM-DD, or set NIGHTJAR_RUN_DATE")
    return settings.parse_run_date(found)


def night_to_run(text: str | None) -> date:
    """Return the night as `night`; raises Refused for one that is not over, of which nothing is to be written."""
    found = night(text)
    settings.refuse_unfinished(found, datetime.now(UTC).date())
    return found
