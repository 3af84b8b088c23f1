"""Verdicts: what the check found about a night's version goes into the lake, and comes out for who decides by it."""

import json
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Literal, TypedDict

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import floors, layout, shapes, tables
from pipeline_tasks.lake.store import Missing, Store
from pipeline_tasks.publishing.difference import Difference
from pipeline_tasks.publishing.versions import ANOTHER


class BrokenRule(TypedDict):
    """What is read of a verdict's failure."""

    reason: str


class Judged(TypedDict):
    """What is read of a verdict's finding."""

    severity: Literal["stop", "warn"]
    sentence: str
    holds: bool


PARTS = {"failures": list[BrokenRule], "health": list[Judged]}


@dataclass(frozen=True)
class Verdict:
    """What the check found about a night's version.

    `staged` maps each staged table to the digest it was made from, so that a verdict on older lists is
    known as such; `failures` are the broken rules of its contract, worst first; `health` are all findings
    against what was live; `warnings` do not keep it from going live. `difference` is what changed since the version
    that was live, `against` (a Difference as JSON; both None without one, and in verdicts of old).
    """

    version: str
    manifest_sha256: str
    passed: bool
    staged: dict[str, str]
    failures: list[dict[str, Any]] = field(default_factory=list)
    health: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    against: str | None = None
    difference: dict[str, Any] | None = None

    @property
    def held_by(self) -> list[str]:
        """Why a version that keeps its contract waits for somebody to release it."""
        stopped = (each for each in self.health if each["severity"] == "stop" and not each["holds"])
        return [each["sentence"] for each in stopped]


def write(store: Store, run_date: date, verdict: Verdict) -> None:
    """Keep the verdict of a night, replacing that of an earlier check."""
    data = json.dumps(asdict(verdict), sort_keys=True, indent=1, ensure_ascii=False).encode()
    store.write(layout.verdict(run_date), data)


def read(store: Store, run_date: date) -> Verdict | None:
    """Return the night's verdict, or None where it was never checked; raises Refused for a damaged one."""
    key = layout.verdict(run_date)
    try:
        return _verdict(store.read(key))
    except Missing:
        return None
    except ValueError as error:
        raise Refused(
            f"{store.uri}/{key} is damaged: {error}",
            floors.again(
                store, run_date, "check", "remove the verdict, and its version is as one never checked"
            ),
        ) from error


def _verdict(data: bytes) -> Verdict:
    found = shapes.parsed(Verdict, data)
    for name, kind in PARTS.items():
        if not shapes.fits(getattr(found, name), kind):
            raise ValueError(f"its {name} lack what is read of them")
    if found.difference is not None:
        shapes.shaped(Difference, found.difference)
    return found


def require_passed(store: Store, run_date: date) -> Verdict:
    """Return the verdict of the night's newest staged lists; raises Refused unless they keep their contract."""
    verdict = read(store, run_date)
    if verdict is None:
        first = floors.again(store, run_date, "check", ANOTHER)
        raise Refused(f"night {run_date} has no checked version", first)
    for table, digest in verdict.staged.items():
        commit = tables.read_commit(store, layout.night(table, run_date))
        if commit is None or commit.digest != digest:
            again = floors.again(store, run_date, "check", ANOTHER)
            raise Refused(f"{table} of {run_date} has changed since it was checked", again)
    if not verdict.passed:
        worst = verdict.failures[0] if verdict.failures else {}
        raise Refused(
            f"version {verdict.version} failed its check: {worst.get('reason', 'see its verdict')}",
            f"mend the cause; {floors.again(store, run_date, 'the stages from it on', ANOTHER)}",
        )
    return verdict
