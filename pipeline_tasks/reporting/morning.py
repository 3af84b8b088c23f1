"""All that a night's page shows: a lake and a date in; its numbers as JSON, and a few small pictures, out.

A subject that the night has nothing for is null, and `absent` says why; one that cannot be read is noted.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import records
from pipeline_tasks.lake.records import Record
from pipeline_tasks.lake.store import Missing, Store
from pipeline_tasks.reporting import drift, mix, online, people, summary, trends
from pipeline_tasks.reporting.ending import of_this_run
from pipeline_tasks.reporting.night import Absent, Night, open_night
from pipeline_tasks.reporting.recorded import recorded
from pipeline_tasks.reporting.summary import Summary
from pipeline_tasks.reporting.thumbnails import thumbnails
from pipeline_tasks.reporting.trends import Line
from pipeline_tasks.settings import Settings


@dataclass
class Morning:
    """`content` is report.json; `pictures` are data URIs by item, which it does not hold."""

    content: dict[str, Any]
    pictures: dict[str, str] = field(default_factory=dict)


def collect(store: Store, settings: Settings, run_date: date) -> Morning:
    """Return what there is to tell of the night; never raises for what is missing or broken."""
    found = summary.collect(store, settings, run_date, users=0)
    fresh: dict[str, Record] = found.tried(
        "records", lambda: of_this_run(records.readable(store, run_date)[0]), {}
    )
    told: dict[str, Any] = found.tried(
        "facts", lambda: recorded(fresh, people=settings.report.people > 0), {}
    )
    earlier: list[Line] = found.tried("earlier nights", lambda: _trend(found, store, settings, run_date), [])
    told["confidence"] = settings.evaluate.confidence
    told["trend"] = [asdict(each) for each in earlier]
    pictures: dict[str, str] = {}

    def look() -> None:
        with open_night(store, settings, run_date, fresh) as night:
            told.update(_subjects(found, night))
            pictures.update(_people(found, night))

    found.tried("the night's tables", look, None)
    return Morning({**found.to_json(), **told}, pictures)


def _trend(found: Summary, store: Store, settings: Settings, run_date: date) -> list[Line]:
    earlier, unreadable = trends.lines(store, settings.report.nights, run_date)
    found.notes += [f"an earlier night could not be read: {each}" for each in unreadable]
    return earlier


def _subjects(found: Summary, night: Night) -> dict[str, Any]:
    """Return a subject each; `absent` says of those that are null what they lack."""
    subjects: dict[str, Callable[[], Any]] = {
        "online": lambda: online.judge(night),
        "drift": lambda: drift.of_features(night),
        "scores": lambda: drift.of_scores(night, _own(found)),
        "mix": lambda: mix.of_lists(night, _own(found)),
    }
    told: dict[str, Any] = {"absent": {}}
    for name, subject in subjects.items():
        try:
            told[name] = asdict(subject())
        except (Absent, Refused, Missing) as error:
            told[name], told["absent"][name] = None, str(error)
        except Exception as error:  # one subject must not take the others with it
            told[name] = None
            found.notes.append(f"{name} could not be read: {error}")
    return told


def _own(found: Summary) -> str:
    if found.version is None:
        raise Absent("the night has no version of its own")
    return found.version


def _people(found: Summary, night: Night) -> dict[str, str]:
    """Add the sampled people; return the pictures of their items."""
    shown, count = found.shown, night.settings.report.people
    if not shown or not count:
        return {}
    found.people = found.tried("users' lists", lambda: people.sampled(night, shown, count), [])
    if not night.settings.report.thumbnails or "preprocess" not in night.fresh:
        return {}
    return found.tried("images", lambda: thumbnails(night.settings, people.images(night, found.people)), {})
