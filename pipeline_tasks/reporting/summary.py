"""A night in a few facts: its records and its published lists in; what the page and the terminal show out."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.records import Record, read_night
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log
from pipeline_tasks.publishing.versions import read_manifest
from pipeline_tasks.reader import Version
from pipeline_tasks.reporting.ending import ending
from pipeline_tasks.settings import Settings

SAMPLED_USERS = 2
SHOWN_PLACES = 5


@dataclass(frozen=True)
class Place:
    """One place of a sampled user's list, by titles where the catalogue has them."""

    rank: int
    item: str
    title: str
    source: str
    reason: str


@dataclass(frozen=True)
class Sample:
    """A user with a list: the newest items of the history, and the first places."""

    user_id: str
    history: list[str]
    places: list[Place]


@dataclass(frozen=True)
class Stage:
    """What one stage did."""

    name: str
    status: str
    seconds: float
    peak_rss_bytes: int
    line: str


@dataclass(frozen=True)
class Summary:
    """A night for people. Whatever its stages have not left is empty."""

    run_date: str
    state: str
    verdict: str
    live: str | None
    version: str | None
    lake: str
    tables: str | None
    data_docs: str | None
    report: str
    users: int | None
    n: int | None
    rows: dict[str, int]
    serving: dict[str, str]
    metrics: dict[str, dict[str, float]]
    holdout: dict[str, int]
    quarantined: dict[str, dict[str, int]]
    accounts: dict[str, dict[str, int]]
    warnings: list[str]
    stages: list[Stage]
    samples: list[Sample] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON-able values."""
        return asdict(self)


def collect(store: Store, settings: Settings, run_date: date) -> Summary:
    """Return what there is to say of a night, whatever of it has run."""
    found = read_night(store, run_date)
    end = ending(store, run_date, found, settings.publish)
    facts = {name: record.report.facts for name, record in found.items() if record.status == "done"}
    checked, evaluated, validated = (facts.get(name, {}) for name in ("check", "evaluate", "validate"))
    version = checked.get("version")
    docs = validated.get("data_docs")
    return Summary(
        run_date=str(run_date),
        state=end.state,
        verdict=end.line,
        live=end.serves,
        version=version,
        lake=store.uri,
        tables=f"{store.uri}/{layout.version(version)}" if version else None,
        data_docs=f"{store.uri}/{docs}" if docs else None,
        report=f"{store.uri}/{layout.report(run_date)}/index.html",
        users=checked.get("users"),
        n=checked.get("n"),
        rows=found["check"].report.rows if "check" in facts else {},
        serving=evaluated.get("serving", {}),
        metrics=evaluated.get("metrics", {}),
        holdout=evaluated.get("holdout", {}),
        quarantined=_quarantined(facts),
        accounts=_accounts(facts.get("preprocess", {})),
        warnings=[*validated.get("warnings", []), *checked.get("warnings", [])],
        stages=[_stage(record) for record in found.values()],
        samples=_samples(store, run_date, version),
    )


def _stage(record: Record) -> Stage:
    line = record.report.summary if record.status == "done" else record.reason
    return Stage(record.stage, record.status, record.seconds, record.peak_rss_bytes, line)


def _accounts(cleaned: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return of each table: rows in, clean, rejected, quarantined, duplicates."""
    return {
        table: {
            "in": account["in"],
            "clean": account["clean"],
            "rejected": account["rejected"],
            "quarantined": account["quarantined"] + sum(account["cleaned_out"].values()),
            "duplicates": sum(account["duplicates"].values()),
        }
        for table, account in cleaned.get("accounts", {}).items()
    }


def _quarantined(facts: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Return of each table the rows that were put aside, by reason, most frequent first."""
    counts: dict[str, Counter[str]] = {}
    for table, reasons in facts.get("ingest", {}).get("rejected", {}).items():
        counts.setdefault(table, Counter()).update(reasons)
    for table, reasons in facts.get("validate", {}).get("quarantined", {}).items():
        counts.setdefault(table, Counter()).update(reasons)
    for table, account in facts.get("preprocess", {}).get("accounts", {}).items():
        counts.setdefault(table, Counter()).update(account["cleaned_out"])
    return {table: dict(found.most_common()) for table, found in counts.items() if found}


def _samples(store: Store, run_date: date, version: str | None) -> list[Sample]:
    """Return two users with lists: the one with the most events, and one without any if there is one."""
    entry = log.newest_of(store, version) if version else None
    if version is None or entry is None:
        return []
    try:
        manifest = read_manifest(store, version, entry.manifest_sha256)
        reader = Version(entry, manifest, store)
        items, users, sequences = (
            tables.read_table(store, layout.night(f"training/{name}", run_date), "dataset")
            for name in ("items", "users", "sequences")
        )
    except NightjarError:
        return []
    ids, titles = items.column("item_id").to_pylist(), items.column("title").to_pylist()
    names = {item: title or item for item, title in zip(ids, titles, strict=True)}
    histories = {row["user_index"]: row["items"] for row in sequences.to_pylist()}
    people = dict(
        zip(users.column("user_index").to_pylist(), users.column("user_id").to_pylist(), strict=True)
    )
    chosen = _chosen(people, histories)
    return [
        Sample(
            people[user],
            [names[ids[item - 1]] for item in dict.fromkeys(reversed(histories.get(user, [])))][:SHOWN_PLACES],
            [
                Place(row["rank"], row["item_id"], names.get(row["item_id"], row["item_id"]), row["source"],
                      names.get(row["reason"], row["reason"]))
                for row in reader.top_n(people[user])[:SHOWN_PLACES]
            ],
        )
        for user in chosen
    ]  # fmt: skip


def _chosen(people: dict[int, str], histories: dict[int, list[int]]) -> list[int]:
    by_events = sorted(people, key=lambda user: (-len(histories.get(user, [])), user))
    middle = [user for user in by_events if user in histories]
    cold = [user for user in by_events if user not in histories]
    return [*middle[len(middle) // 2 :][:1], *cold[:1], *middle[:1]][:SAMPLED_USERS]
