"""Every version of the lake with what became of it: folders, verdicts and the commit log in, a list out."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeVar

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, records, staleness
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log, verdicts, versions, withdrawals
from pipeline_tasks.publishing.difference import Difference
from pipeline_tasks.publishing.log import Entry
from pipeline_tasks.publishing.verdicts import Verdict
from pipeline_tasks.settings import VERSION_PATTERN

State = Literal[
    "live", "was live", "rolled back", "ready", "held", "refused", "replaced", "incomplete", "damaged"
]
FOLDER = "recommendations/versions/"
Found = TypeVar("Found")


@dataclass(frozen=True)
class Listed:
    """A version: `manifest` is empty where it is not whole or was altered, `metrics` those of its model on the night's holdout.

    `kept` is the mean share of a list that stayed, against the version that was live when it was checked. `stale` says
    what it was made from has changed since, where that is known; `damaged` what of all this cannot be read.
    """

    name: str
    run_date: str
    state: State
    manifest: dict[str, Any]
    metrics: dict[str, float]
    kept: float | None = None
    stale: str | None = None
    damaged: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Size of its data files."""
        tables = self.manifest.get("tables", {}).values()
        return sum(file["bytes"] for table in tables for file in table["files"])


def names(store: Store) -> list[str]:
    """Return the names of the versions, oldest night first; what else lies beside them is none."""
    return [
        name
        for name in store.folders(FOLDER)
        if layout.date_of(name[:10]) and re.match(VERSION_PATTERN, name)
    ]


def listed(store: Store) -> Iterator[Listed]:
    """Yield every version, that of the newest night first."""
    history = log.history(store)
    gone = withdrawals.gone_back_from(history)
    for name in reversed(names(store)):
        yield _listed(store, name, history, gone)


def find(store: Store, name: str) -> Listed:
    """Return the version called `name`; raises Refused where there is none."""
    require(store, name)
    history = log.history(store)
    return _listed(store, name, history, withdrawals.gone_back_from(history))


def require(store: Store, name: str) -> str:
    """Return `name`; raises Refused where no version is called so."""
    known = names(store)
    if name not in known:
        newest = ", ".join(known[:-4:-1]) or "none at all"
        raise Refused(f"there is no version {name!r} in {store.uri}", f"the newest are {newest}")
    return name


def _listed(store: Store, name: str, history: list[Entry], gone: Collection[str]) -> Listed:
    run_date = date.fromisoformat(name[:10])
    damaged: list[str] = []
    manifest = _readable(lambda: versions.read_manifest(store, name), damaged)
    if manifest is None and not versions.is_whole(store, name):
        return Listed(name, str(run_date), "incomplete", {}, {})
    if manifest is None:
        return Listed(name, str(run_date), "damaged", {}, {}, damaged=tuple(damaged))
    verdict = _readable(lambda: verdicts.read(store, run_date), damaged)
    state = _state(name, verdict, history, gone)
    if damaged and state == "replaced":
        state = "damaged"  # which of the night's versions it is of, a damaged verdict does not say
    metrics = _readable(lambda: _metrics(store, run_date, manifest), damaged)
    return Listed(
        name,
        str(run_date),
        state,
        manifest,
        metrics or {},
        _kept(name, verdict),
        _stale(store, run_date) if state != "replaced" else None,
        tuple(damaged),
    )


def _readable(read: Callable[[], Found], damaged: list[str]) -> Found | None:
    """Return what is read, or None where it is damaged, which is added to what else is."""
    try:
        return read()
    except Refused as error:
        damaged.append(str(error))
        return None


def _stale(store: Store, run_date: date) -> str | None:
    """Return what has changed since the night's version was checked: its night's mark, or a run that went no further."""
    begun = records.turn_of(store, run_date, "ingest", changed=True)
    if 0 < records.turn_of(store, run_date, "check") < begun:
        return f"night {run_date} was begun again, and has not been checked since"
    return staleness.read(store, run_date)


def _state(name: str, verdict: Verdict | None, history: list[Entry], gone: Collection[str]) -> State:
    if history and history[-1].version == name:
        return "live"
    if name in gone:
        return "rolled back"
    checked = verdict is not None and verdict.version == name
    # the night that is live has come back to a version that it had gone on from
    again = checked and bool(history) and history[-1].run_date == name[:10]
    if not again and any(entry.version == name for entry in history):
        return "was live"
    if verdict is None or not checked:
        return "replaced"
    if not verdict.passed:
        return "refused"
    return "held" if verdict.held_by else "ready"


def _kept(name: str, verdict: Verdict | None) -> float | None:
    if verdict is None or verdict.version != name or not verdict.difference:
        return None
    difference = Difference(**verdict.difference)
    return difference.kept if difference.both else None


def _metrics(store: Store, run_date: date, manifest: dict[str, Any]) -> dict[str, float]:
    """Return the holdout's metrics of the model that made it, if the night's record is still of that model."""
    record = records.read(store, run_date, "evaluate")
    facts = record.report.facts if record else {}
    if facts.get("serving", {}).get("model_version") != manifest["model"]["version"]:
        return {}
    role, name = facts["role"], manifest["model"]["name"]
    metrics: dict[str, dict[str, float]] = facts["metrics"]
    return metrics.get(f"{role} {name}", metrics.get(name, {}))


def lines(found: list[Listed]) -> Iterator[str]:
    """Yield a table for a terminal."""
    yield f"{'version':<24}{'state':<13}{'model':<28}{'ndcg':>8}{'kept':>8}{'users':>12}{'MB':>9}"
    for each in found:
        ndcg = next((f"{v:.4f}" for name, v in each.metrics.items() if name.startswith("ndcg")), "")
        model = each.manifest.get("model", {}).get("name", "")
        users = f"{each.manifest['users']:,}" if each.manifest else ""
        kept = "" if each.kept is None else f"{each.kept:.1%}"
        yield (
            f"{each.name:<24}{each.state:<13}{model:<28}{ndcg:>8}{kept:>8}{users:>12}{each.bytes / 1e6:>9.1f}"
        )
        if each.stale:
            yield f"{'':<24}stale: {each.stale}"
        for what in each.damaged:
            yield f"{'':<24}{what}"
