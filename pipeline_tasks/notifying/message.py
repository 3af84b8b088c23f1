"""What is said of a night: its records and the commit log in, one message out, also where the lake does not answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from threading import Thread

from pipeline_tasks.errors import NothingToDo
from pipeline_tasks.lake import layout, records
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.notifying import Event
from pipeline_tasks.publishing import log
from pipeline_tasks.reporting.ending import CHAIN, Ending, ending
from pipeline_tasks.settings import Settings

# a store that does not answer may be what the night failed of: then the message goes out without its details
READING_SECONDS = 15.0
LINE_LENGTH = 1000
PICTURES_BYTES = 2 << 20


@dataclass(frozen=True)
class Message:
    """A subject of one line, the lines below it, and pictures (PNG by file name) for a channel that takes them."""

    subject: str
    lines: list[str]
    pictures: dict[str, bytes] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "\n".join([self.subject, *(line[:LINE_LENGTH] for line in self.lines)])


@dataclass(frozen=True)
class Found:
    """What the lake says: how the night ended, the newest night that is live, and the night's page with its pictures."""

    end: Ending
    live_night: date | None
    page: str | None
    pictures: dict[str, bytes]


def write_message(settings: Settings, run_date: date, event: Event, said: Sequence[str] = ()) -> Message:
    """Return the message; `said` are lines to add.

    Raises NothingToDo for a deadline that was met: the night, or a newer one, is live, whoever made it so.
    """
    found = _within(READING_SECONDS, lambda: _look(settings, run_date))
    if isinstance(found, Found):
        if event == "late" and found.live_night and found.live_night >= run_date:
            raise NothingToDo(f"night {found.live_night} is live: the deadline of {run_date} was met")
        lines = _lines(found, event)
    else:
        lines = [f"the lake {settings.lake_uri} cannot be read: {found}"]
    subject = f"Nightjar: night {run_date} {_state(settings, found, event)}"
    return Message(
        subject,
        [*lines, *said],
        found.pictures if isinstance(found, Found) else {},
    )


def of_another_dag(dag: str, said: str) -> Message:
    """Return the message that a run of another DAG than the night's failed."""
    return Message(f"Nightjar: {dag} failed", ["the log of its task says why, and what to do", said])


def _state(settings: Settings, found: Found | str, event: Event) -> str:
    if event == "late":
        return f"is not live at {settings.airflow.deadline or 'its deadline'} UTC"
    if isinstance(found, str):
        return "failed" if event == "failed" else "cannot be looked at"
    told = {"live": "is live", "unchanged": "is unchanged", "past": "is live no more"}
    told |= {"unpublished": "is not published", "held": "is held", "failed": "failed"}
    return "failed" if event == "failed" and found.end.ok else told[found.end.state]


def _lines(found: Found, event: Event) -> list[str]:
    end = found.end
    why = end.line if event != "late" else f"so far: {end.line}"
    if event == "failed" and end.ok:
        why = f"its records are well, and yet the scheduler's run failed; {end.state}: {end.line}"
    reads = f"consumers read {end.serves}" if end.serves else "nothing is published yet"
    return [why, reads, *([f"report: {found.page}"] if found.page else [])]


def _look(settings: Settings, run_date: date) -> Found:
    store = open_store(settings.lake_uri)
    end = ending(store, run_date, records.read_night(store, run_date, CHAIN), settings.publish.mode)
    live = log.newest(store)
    page = f"{layout.report(run_date)}/index.html"
    root = settings.notify.report_url.rstrip("/") or store.uri
    return Found(
        end,
        date.fromisoformat(live.run_date) if live else None,
        f"{root}/{page}" if store.exists(page) else None,
        _pictures(store, run_date),
    )


def _pictures(store: Store, run_date: date) -> dict[str, bytes]:
    """Return the page's pictures, as many as a mail takes."""
    kept: dict[str, bytes] = {}
    for key in store.keys(f"{layout.report(run_date)}/"):
        if key.endswith(".png"):
            picture = store.read(key)
            if len(picture) + sum(map(len, kept.values())) <= PICTURES_BYTES:
                kept[key.rpartition("/")[2]] = picture
    return kept


def _within(seconds: float, look: Callable[[], Found]) -> Found | str:
    """Return what `look` finds, or why it found nothing: an error in one line, or no answer in time."""
    found: list[Found | str] = []

    def run() -> None:
        try:
            found.append(look())
        except Exception as error:  # whatever it is, somebody is to be told of the night
            found.append(f"{type(error).__name__}: {error}".partition("\n")[0])

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else f"no answer in {seconds:.0f} s"
