"""The night's checked version in, one entry of the commit log out: from then on consumers read it."""

import getpass
import os
from datetime import date
from typing import Any

from pipeline_tasks.errors import NothingToDo, Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.publishing import log, versions
from pipeline_tasks.publishing.log import Change, Entry
from pipeline_tasks.publishing.versions import Verdict
from pipeline_tasks.settings import Settings


def run(settings: Settings, run_date: date) -> Report:
    """Make the version of `run_date` live; NothingToDo where it is, or where the run is not to publish.

    Raises Refused for a version that failed its check, or is no longer what was checked.
    """
    store = open_store(settings.lake_uri)
    verdict = _passed(store, run_date)
    if settings.publish == "off":
        raise NothingToDo(f"version {verdict.version} passed its check and stays unpublished: publish is off")
    live = log.newest(store)
    if live and live.version == verdict.version and log.is_unfinished(store):
        # an attempt before this one died between the entry and its copy: nobody has been told yet
        log.refresh_current(store)
        return _report(live, verdict, versions.verify(store, verdict.version, verdict.manifest_sha256))
    log.refresh_current(store)
    allowed = log.not_backwards(verdict.version, run_date)
    allowed(live)
    manifest = versions.verify(store, verdict.version, verdict.manifest_sha256)
    change = Change(
        version=verdict.version,
        run_date=str(run_date),
        manifest_sha256=verdict.manifest_sha256,
        action="publish",
        who=_who(),
        why=f"night {run_date} passed its check",
    )
    return _report(log.append(store, change, allowed), verdict, manifest)


def _passed(store: Store, run_date: date) -> Verdict:
    """Return the verdict of the night's newest staged lists; raises Refused unless it is a good one."""
    verdict = versions.read_verdict(store, run_date)
    if verdict is None:
        raise Refused(f"night {run_date} has no checked version", "run check for this night first")
    for table, digest in verdict.staged.items():
        commit = tables.read_commit(store, layout.night(table, run_date))
        if commit is None or commit.digest != digest:
            raise Refused(f"{table} of {run_date} has changed since it was checked", "run check again")
    if not verdict.passed:
        worst = verdict.failures[0] if verdict.failures else {}
        raise Refused(
            f"version {verdict.version} failed its check: {worst.get('reason', 'see its verdict')}",
            "mend the cause and run the night again",
        )
    return verdict


def _who() -> str:
    """Whose hand or run this is: Airflow tells its tasks which run they belong to."""
    dag, run = os.environ.get("AIRFLOW_CTX_DAG_ID"), os.environ.get("AIRFLOW_CTX_DAG_RUN_ID")
    if dag and run:
        return f"airflow {dag} {run}"
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}"


def _report(entry: Entry, verdict: Verdict, manifest: dict[str, Any]) -> Report:
    return Report(
        summary=f"{entry.version} is live, entry {entry.sequence} of the log",
        inputs={layout.verdict(date.fromisoformat(entry.run_date)): verdict.manifest_sha256},
        outputs={layout.version(entry.version): entry.manifest_sha256},
        rows={name: table["rows"] for name, table in manifest["tables"].items()},
        facts={"version": entry.version, "sequence": entry.sequence, "who": entry.who},
    )
