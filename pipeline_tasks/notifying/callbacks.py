"""What Airflow calls when a run failed or a night missed its deadline: its context in, the command `notify` started.

The command is a process of its own: a callback is called in the DAG processor, or in the triggerer, where other
DAGs' work waits behind it.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pipeline_tasks.notifying import Event
from pipeline_tasks.settings import CHECKOUT

# Airflow's DAG processor ends a callback after 50 seconds
LIMIT_SECONDS = 45
NOTIFY = (sys.executable, "-m", "pipeline_tasks", "notify")


@dataclass(frozen=True)
class Run:
    """A run of a DAG: its id, what started it (scheduled, manual, backfill, …), its night, what was typed."""

    id: str
    type: str
    night: date
    typed: Mapping[str, Any]


def on_failure(context: Mapping[str, Any]) -> None:
    """Tell that the run failed, once, whichever tasks did; a backfill's is left to who watches it."""
    run = run_of(context)
    if run.type != "backfill":
        _start(_command(run, "failed", _said(run, context)), run)


def on_other_failure(context: Mapping[str, Any]) -> None:
    """Tell that a run of another DAG than the night's failed, by the DAG's name: nobody waits for it."""
    run = run_of(context)
    _start([*NOTIFY, "--dag", context["dag"].dag_id, "--said", _said(run, context)], run)


async def on_missed_deadline(context: Mapping[str, Any]) -> str:
    """Tell that a scheduled night is late. Other runs are started at any time of day: the deadline is not theirs."""
    run = run_of(context)
    if run.type != "scheduled":
        return f"{run.id} is a {run.type} run: it has no deadline"
    process = await asyncio.create_subprocess_exec(
        *_command(run, "late", f"Airflow: {run.id}"),
        env=_environment(run),
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), LIMIT_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
    return _ended(process.returncode or 0, output)


def run_of(context: Mapping[str, Any]) -> Run:
    """Return the run that a callback is called for; a deadline's context holds it as JSON, a failure's as an object.

    Where Airflow gives no more than its id, that names what started it and when. A typed night that is no day of the
    calendar fails the run, which is then told as that of its own date.
    """
    given = context.get("dag_run")
    name = str(_field(given, "dag_run_id") or _field(given, "run_id") or context.get("run_id"))
    kind, _, moment = name.partition("__")
    kind = _field(given, "run_type") or kind
    typed = _field(given, "conf") or {}
    night = _typed_night(typed)
    if night is None:
        started = _moment(_field(given, "logical_date") or _field(given, "run_after") or moment)
        night = started.date() - timedelta(days=1)
    return Run(name, str(getattr(kind, "value", kind)), night, typed)


def _field(given: Any, name: str) -> Any:
    return given.get(name) if isinstance(given, Mapping) else getattr(given, name, None)


def _typed_night(typed: Mapping[str, Any]) -> date | None:
    """Return the night that was typed; None without one, and of one that no calendar has, which failed the run."""
    try:
        return date.fromisoformat(typed.get("run_date") or "")
    except ValueError:
        return None


def _moment(given: Any) -> datetime:
    if isinstance(given, datetime):
        return given.astimezone(UTC)
    found = re.match(r"\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:?\d{2})?", str(given))
    if not found:
        raise ValueError(f"{given!r} is no moment of a run")
    return datetime.fromisoformat(found[0]).astimezone(UTC)


def _said(run: Run, context: Mapping[str, Any]) -> str:
    return f"Airflow: {run.id} failed ({context.get('reason', 'no reason given')})"


def _command(run: Run, event: Event, said: str) -> list[str]:
    return [*NOTIFY, "--run-date", str(run.night), "--event", event, "--said", said]


def _start(command: list[str], run: Run) -> None:
    done = subprocess.run(
        command,
        env=_environment(run),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    print(_ended(done.returncode, done.stdout))


def _environment(run: Run) -> dict[str, str]:
    """The caller's own, and how this run was to be published: held as asked is another ending than held."""
    asked = run.typed.get("publish")
    return {**os.environ, **({"NIGHTJAR_PUBLISH__MODE": str(asked)} if asked else {})}


def _ended(code: int, output: bytes) -> str:
    """Return what the command said; raises where a channel did not take it, so that Airflow's log shows it."""
    said = output.decode(errors="replace").strip()
    if code not in (0, 99):
        raise RuntimeError(f"notify exited with {code}: {said}")
    return said
