"""Versions that wait to be released: a name or none in, the version and what to know of it before it goes live out."""

from collections.abc import Iterator
from datetime import date

from pipeline_tasks.errors import NothingToDo, Refused
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import catalogue, following, log, verdicts
from pipeline_tasks.publishing.catalogue import Listed
from pipeline_tasks.publishing.difference import Difference
from pipeline_tasks.publishing.log import Entry
from pipeline_tasks.publishing.verdicts import Verdict

WHY_NOT = {
    "refused": "it breaks its contract, which nobody can release",
    "replaced": "its night has been made again since",
    "was live": "it was live before: rollback --to it",
    "rolled back": "it was rolled back: rollback --to it, if that was wrong",
    "incomplete": "it is not whole",
    "damaged": "its manifest, or its night's verdict, has been altered",
}


def in_wait(store: Store, live: Entry | None) -> Iterator[Listed]:
    """Yield the versions that wait to be released and may be: of no night before the `live` one, the newest first.

    Raises Refused where a damaged object leaves open whether one does: it may be newer than the next, and is not to be removed.
    """
    for each in catalogue.listed(store):
        if each.manifest and each.damaged:
            raise Refused(f"whether {each.name} waits to be released cannot be told: {each.damaged[0]}")
        if each.state in ("held", "ready") and (live is None or each.run_date >= live.run_date):
            yield each


def find(store: Store, version: str | None) -> Listed:
    """Return the version called `version`, or the newest that waits; raises NothingToDo, or Refused with why not."""
    live = log.newest(store)
    if version is None:
        found = next(in_wait(store, live), None)
        if found is None:
            raise NothingToDo("no version waits to be released", "see `versions`")
        return found
    named = catalogue.find(store, version)
    if named.state in WHY_NOT:
        raise Refused(f"version {version} cannot be released: {WHY_NOT[named.state]}", "see `versions`")
    following.not_backwards(store, version, date.fromisoformat(named.run_date))(live)
    return named


def asked(store: Store, version: str | None) -> dict[str, str]:
    """Return the version that waits, and its verdict in Markdown for whoever is asked."""
    found = find(store, version)
    verdict = verdicts.read(store, date.fromisoformat(found.run_date))
    lines = [
        f"Night {found.run_date}, {found.manifest['users']:,} users, by {found.manifest['model']['name']}.",
        *(f"- **holds it back:** {sentence}" for sentence in (verdict.held_by if verdict else ())),
        *(f"- warning: {sentence}" for sentence in (verdict.warnings if verdict else ())),
        *([f"- warning: stale, {found.stale}"] if found.stale else ()),
        *(_changes(verdict) if verdict else ()),
        *(f"- {name}: {value:.4f}" for name, value in sorted(found.metrics.items())),
    ]
    return {"version": found.name, "text": "\n".join(lines)}


def _changes(verdict: Verdict) -> Iterator[str]:
    """Yield what changed since the version that was live at the check, if one was."""
    if verdict.difference:
        for line in Difference(**verdict.difference).lines():
            yield f"- against {verdict.against}, {' '.join(line.split())}"
