"""The night's checked version in, one entry of the commit log out: from then on consumers read it."""

from collections.abc import Callable
from datetime import date
from typing import Any

from pipeline_tasks.errors import NightjarError, NothingToDo, Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.online import put_online
from pipeline_tasks.publishing import changes, following, log, verdicts, versions
from pipeline_tasks.publishing.alone import alone_with_versions
from pipeline_tasks.publishing.log import Change, Entry
from pipeline_tasks.publishing.verdicts import Verdict
from pipeline_tasks.publishing.who import who
from pipeline_tasks.settings import Settings

RELEASE = "look at it, and release it: python -m pipeline_tasks release --version {}"


def run(settings: Settings, run_date: date) -> Report:
    """Make the version of `run_date` live; NothingToDo where it is, or where the run is not to publish.

    An Airflow run whose own entry is live is done however often it is tried: only then does the scheduler tell consumers.
    One that forces has nothing to do where somebody else has made a version live after it.
    Raises Refused for a version that broke its contract, is no longer what was checked, or is held back by its health,
    which publish.mode = force overrides.
    """
    with alone_with_versions(settings, f"publish of {run_date}") as require:
        return _publish(settings, open_store(settings.lake_uri), run_date, require)


def _publish(settings: Settings, store: Store, run_date: date, require: Callable[[], None]) -> Report:
    mode, verdict = settings.publish.mode, verdicts.require_passed(store, run_date)
    if mode in ("off", "hold"):
        raise _as_asked(store, run_date, mode, verdict.version)
    # a run that forces does so once: tried again, it would undo what somebody has done since
    made_by = changes.already_made if mode == "force" else changes.untold
    made = made_by(store, "publish", verdict.version, who())
    if made:  # by an attempt that died before the scheduler could tell anybody
        return _report(made, verdict, versions.verify(store, verdict.version, verdict.manifest_sha256))
    rule = following.not_again if mode == "force" else following.not_backwards
    allowed = rule(store, verdict.version, run_date)
    allowed(log.newest(store))
    _let(settings, verdict)
    manifest = versions.verify(store, verdict.version, verdict.manifest_sha256)
    online = put_online(settings, store, verdict.version)
    change = Change(
        version=verdict.version,
        run_date=str(run_date),
        manifest_sha256=verdict.manifest_sha256,
        action="publish",
        who=who(),
        why=_why(settings, run_date, verdict),
    )
    return _report(log.append(store, change, following.both(require, allowed)), verdict, manifest, online)


def _as_asked(store: Store, run_date: date, mode: str, version: str) -> NothingToDo:
    """Return what to say of a version that is not to go live by itself, and how it can be released where it can."""
    live = log.newest(store)
    following.not_again(store, version, run_date)(live)
    if mode == "off":
        return NothingToDo(f"version {version} passed its check and stays unpublished: publish is off")
    try:
        following.not_backwards(store, version, run_date)(live)
    except NightjarError as error:
        return NothingToDo(f"version {version} is held, as asked, and cannot be released: {error.reason}")
    return NothingToDo(f"version {version} is held, as asked", RELEASE.format(version))


def _let(settings: Settings, verdict: Verdict) -> None:
    """Raise Refused where the version's health holds it back, or where it is forced without a reason."""
    mode = settings.publish.mode
    if mode == "force" and not settings.publish.why:
        raise Refused("a night is forced without a reason", "say publish.why: the log keeps it")
    if mode == "auto" and verdict.held_by:
        raise Refused(
            f"version {verdict.version} is held: {'; '.join(verdict.held_by)}",
            RELEASE.format(verdict.version),
        )


def _why(settings: Settings, run_date: date, verdict: Verdict) -> str:
    if settings.publish.mode != "force":
        return f"night {run_date} passed its check"
    despite = f", although {'; '.join(verdict.held_by)}" if verdict.held_by else ""
    return f"{log.FORCED}{settings.publish.why}{despite}"


def _report(entry: Entry, verdict: Verdict, manifest: dict[str, Any], online: int | None = None) -> Report:
    asked = "" if online is None else f"; {online:,} lists online"
    return Report(
        summary=f"{entry.version} is live, entry {entry.sequence} of the log{asked}",
        inputs={layout.verdict(date.fromisoformat(entry.run_date)): verdict.manifest_sha256},
        outputs={layout.version(entry.version): entry.manifest_sha256},
        rows={name: table["rows"] for name, table in manifest["tables"].items()},
        facts={
            "version": entry.version,
            "sequence": entry.sequence,
            "who": entry.who,
            "why": entry.why,
            "online": online,
        },
    )
