"""What a night came to: records, verdict, log and tables in; one plain account of it out, for page and terminal.

Whatever happened before, there is something to say: what cannot be read is noted and left out.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from pipeline_tasks.contracts import PUBLISHED_TABLES
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, records
from pipeline_tasks.lake.records import Record
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log, versions
from pipeline_tasks.reporting import people
from pipeline_tasks.reporting.ending import CHAIN, ending, of_this_run, read_judged
from pipeline_tasks.reporting.night import open_night
from pipeline_tasks.reporting.people import Person
from pipeline_tasks.settings import Settings

Found = TypeVar("Found")
# of a night whose records no store gives
NO_RECORDS: tuple[dict[str, Record], dict[str, Refused]] = ({}, {})


@dataclass(frozen=True)
class StageLine:
    """A stage's newest run for the night; `begin` is in seconds since the night's first stage began."""

    stage: str
    status: str
    begin: float
    seconds: float
    peak_rss_bytes: int
    rows: dict[str, int]
    text: str


@dataclass(frozen=True)
class Quarantined:
    """Rows of a table that were kept out, of how many, and why: (reason, rows), the most frequent first.

    A row may have several reasons; until the night's account is made, `rows` counts these.
    """

    table: str
    rows: int
    rows_in: int | None
    reasons: list[tuple[str, int]]


@dataclass
class Summary:
    """A night, as JSON. `version` is the night's own, if it got that far; `live` is what consumers read.

    `entry` is what made the night's version live: its sequence, action, who and why in the log. `at` is the first stage that
    went wrong; `online` is what the report found of the lists that were live before.
    """

    run_date: str
    state: str = "unknown"
    verdict: str = ""
    at: str | None = None
    version: str | None = None
    live: str | None = None
    entry: dict[str, Any] | None = None
    users: int | None = None
    n: int | None = None
    rows: dict[str, int] = field(default_factory=dict)
    serving: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    quarantine: list[Quarantined] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    stages: list[StageLine] = field(default_factory=list)
    online: dict[str, Any] | None = None
    people: list[Person] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def shown(self) -> str | None:
        """The version whose lists are shown: the night's own, else what consumers read."""
        return self.version or self.live

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def tried(self, what: str, read: Callable[[], Found], otherwise: Found) -> Found:
        """Return what `read` finds, or `otherwise` and a note: a picture of a failed night must not fail itself."""
        try:
            return read()
        except Exception as error:
            self.notes.append(f"{what} could not be read: {error}")
            return otherwise


def collect(store: Store, settings: Settings, run_date: date, *, users: int = 2) -> Summary:
    """Return the night's summary, with at most `users` people's lists; never raises for what is missing or broken."""
    summary = Summary(str(run_date))
    tried = summary.tried
    found, damaged = tried("records", lambda: records.readable(store, run_date), NO_RECORDS)
    summary.notes += [f"a record could not be read: {each}" for each in damaged.values()]
    fresh = of_this_run(found)
    publish = settings.publish.mode
    tried("the ending", lambda: _add_ending(summary, store, run_date, found, damaged, publish), None)
    tried("the version", lambda: _add_version(summary, store, run_date, found), None)
    tried("who serves", lambda: _add_serving(summary, fresh), None)
    summary.quarantine = tried("quarantine", lambda: quarantined(fresh), [])
    summary.warnings += tried("warnings", lambda: _warnings(fresh), [])
    summary.stages = tried("stages", lambda: _lines(found, fresh), [])
    summary.online = tried("the report's record", lambda: _facts(fresh, "report").get("online"), None)
    shown, users = summary.shown, min(users, settings.report.people)
    if shown and users:

        def lists() -> list[Person]:
            with open_night(store, settings, run_date, fresh) as night:
                return people.sampled(night, shown, users)

        summary.people = tried("users' lists", lists, [])
    summary.places = tried("places", lambda: _places(store, run_date, shown, fresh), {})
    return summary


def _add_ending(
    summary: Summary,
    store: Store,
    run_date: date,
    found: dict[str, Record],
    damaged: dict[str, Refused],
    publish: str,
) -> None:
    """Add how the night ended, or which record or verdict is damaged that decides it."""
    try:
        for stage in CHAIN:
            if stage in damaged:
                raise damaged[stage]
        end = ending(store, run_date, found, publish)
    except Refused as error:
        live = log.newest(store)
        summary.verdict = f"how it ended cannot be told: {error}"
        summary.live = live.version if live else None
        return
    summary.state, summary.verdict, summary.at = end.state, end.line, end.at
    summary.live, summary.version = end.serves, end.version
    if end.entry:
        entry = asdict(end.entry)
        summary.entry = {name: entry[name] for name in ("sequence", "action", "who", "why")}


def _add_version(summary: Summary, store: Store, run_date: date, found: dict[str, Record]) -> None:
    """Add what the check wrote, if the night got that far, else what is live."""
    verdict, live = read_judged(store, run_date, found), log.newest(store)
    if verdict and summary.version:
        summary.failures = [failure["reason"] for failure in verdict.failures]
        summary.warnings += verdict.warnings
        manifest = versions.read_manifest(store, verdict.version, verdict.manifest_sha256)
    elif live:
        manifest = versions.read_manifest(store, live.version, live.manifest_sha256)
    else:
        return
    summary.users, summary.n = manifest["users"], manifest["n"]
    summary.rows = {table: manifest["tables"][table]["rows"] for table in PUBLISHED_TABLES}


def _add_serving(summary: Summary, found: dict[str, Record]) -> None:
    facts = _facts(found, "evaluate")
    summary.serving = {**facts.get("serving", {}), **({"role": facts["role"]} if "role" in facts else {})}
    metrics: dict[str, dict[str, float]] = facts.get("metrics", {})
    models = sorted(metrics.items(), key=lambda pair: tuple(-pair[1].get(n, 0.0) for n in _names(metrics)))
    summary.metrics = {
        model: {name: values[name] for name in _names(metrics) if name in values} for model, values in models
    }


def _names(metrics: dict[str, dict[str, float]]) -> list[str]:
    """Return the names of the metrics, those that decide first."""
    order = ("ndcg", "recall", "mrr")
    names = {name for values in metrics.values() for name in values}
    places = {name: place for place, kind in enumerate(order) for name in names if name.startswith(kind)}
    return sorted(names, key=lambda name: (places.get(name, len(order)), name))


def quarantined(found: dict[str, Record]) -> list[Quarantined]:
    """Return what was kept out, by table: rejected by ingest, quarantined by validate and by preprocess."""
    counted: dict[str, dict[str, int]] = {}
    accounts = _facts(found, "preprocess").get("accounts", {})
    for table, reasons in _facts(found, "ingest").get("rejected", {}).items():
        _add(counted, table, reasons)
    for table, reasons in _facts(found, "validate").get("quarantined", {}).items():
        _add(counted, table, reasons)
    for table, account in accounts.items():
        _add(counted, table, account["cleaned_out"])
        _add(counted, table, {f"duplicate ({kind})": n for kind, n in account["duplicates"].items()})
    tables = []
    for table, reasons in counted.items():
        account = accounts.get(table)
        rows = account["in"] - account["clean"] if account else sum(reasons.values())
        frequent = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
        tables.append(Quarantined(table, rows, account["in"] if account else None, frequent))
    return tables


def _add(counted: dict[str, dict[str, int]], table: str, reasons: dict[str, int]) -> None:
    kept = counted.setdefault(table, {})
    for reason, count in reasons.items():
        if count:
            kept[reason] = kept.get(reason, 0) + count


def _facts(found: dict[str, Record], stage: str) -> dict[str, Any]:
    return found[stage].report.facts if stage in found else {}


def _warnings(found: dict[str, Record]) -> list[str]:
    """Return what the stages warn of; the check's are in its verdict."""
    return [
        f"{stage}: {warning}"
        for stage, record in found.items()
        if stage != "check"
        for warning in record.report.facts.get("warnings", ())
    ]


def _lines(found: dict[str, Record], fresh: dict[str, Record]) -> list[StageLine]:
    """Return a line a stage up to the report; one whose record is from an earlier run of the night says so."""
    began = [datetime.fromisoformat(record.started) for record in fresh.values()]
    return [
        _line(record, (datetime.fromisoformat(record.started) - began[0]).total_seconds())
        if stage in fresh
        else StageLine(stage, "not run", 0.0, 0.0, 0, {}, f"ran last at {record.started}")
        for stage, record in found.items()
        if stage in CHAIN
    ]


def _line(record: Record, begin: float) -> StageLine:
    return StageLine(
        record.stage,
        record.status,
        begin,
        record.seconds,
        record.peak_rss_bytes,
        record.report.rows,
        record.report.summary if record.status == "done" else record.reason,
    )


def _places(store: Store, run_date: date, version: str | None, found: dict[str, Record]) -> dict[str, str]:
    docs = _facts(found, "validate").get("data_docs", f"{layout.data_docs(run_date)}/index.html")
    keys = {
        "tables": f"{layout.version(version)}/" if version else None,
        "data docs": docs if store.exists(docs) else None,
        "report": f"{layout.report(run_date)}/index.html",
        "records": f"runs/{run_date}/",
    }
    return {"lake": store.uri, **{name: f"{store.uri}/{key}" for name, key in keys.items() if key}}
