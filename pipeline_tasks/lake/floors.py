"""The oldest night that can be run again: written before retention removes anything, read by every stage."""

import json
from contextlib import suppress
from datetime import date

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Missing, Store


def read(store: Store) -> date | None:
    """Return the oldest night that can be run again; None where retention has removed nothing yet."""
    try:
        return date.fromisoformat(json.loads(store.read(layout.FLOOR))["oldest_night"])
    except Missing:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(
            f"{store.uri}/{layout.FLOOR} is damaged: {error}",
            'put it back from a copy of the lake, or write {"oldest_night": "YYYY-MM-DD"}: '
            "the newest night, or an older one of which retention has removed nothing",
        ) from error


def raise_to(store: Store, night: date) -> None:
    """Say that nights before `night` cannot be run again; a floor never sinks."""
    known = read(store)
    if known is None or known < night:
        store.write(layout.FLOOR, json.dumps({"oldest_night": str(night)}, indent=1).encode())


def again(store: Store, run_date: date, stages: str, otherwise: str, then: str = "") -> str:
    """Return the advice to run `stages` for the night again, and `then`; where that is no longer possible, `otherwise`."""
    with suppress(NightjarError):  # it goes with an error that matters more
        oldest = read(store)
        if oldest and run_date < oldest:
            return f"night {run_date} can no longer be run again: {otherwise}"
    return f"run {stages} for {run_date} again{then}"


def refuse_below(store: Store, run_date: date) -> None:
    """Raise Refused for a night that cannot be run again, since what it would read has been removed."""
    oldest = read(store)
    if oldest and run_date < oldest:
        raise Refused(
            f"night {run_date} can no longer be run again: retention has removed what it reads",
            f"the oldest that can is {oldest}; retention.nights.raw says how many are kept",
        )
