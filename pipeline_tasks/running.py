"""Run one stage for one night: a record in the lake, a line for people and an exit code come out."""

import importlib
import os
import resource
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from pipeline_tasks import __version__, launching, processes
from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.interruption import Interruption
from pipeline_tasks.lake import floors, records, staleness
from pipeline_tasks.lake.lease import Lost, hold
from pipeline_tasks.lake.records import Record, Report, Status
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.publishing.who import who
from pipeline_tasks.settings import CHECKOUT, Settings, require_agreement

# stages that only say what the others have done
TELLING = ("report", "outcome")
STATUS: dict[int, Status] = {0: "done", 1: "failed", 2: "refused", 99: "nothing"}


def run_stage(settings: Settings, stage: str, run_date: date) -> int:
    """Run `stage`, keep its record, print what came out; return 0, 1, 2 or 99 (see errors).

    Of several processes the first alone does both; another only says why it failed. A stage that may not begin, since
    another writer is at work or the night can no longer be run again, leaves the record of its last run as it was; one
    that another has taken over from leaves it to that one.
    """
    try:
        interruption = Interruption()
        with _alone(settings, stage, run_date, interruption.end) as require:
            return _run(settings, stage, run_date, require, interruption)
    except Exception as error:
        code, reason = _ended(error)
        print(f"{stage} {run_date}: {STATUS[code]}: {reason}", flush=True)
        return code


def _run(
    settings: Settings,
    stage: str,
    run_date: date,
    require: Callable[[], None],
    interruption: Interruption,
) -> int:
    """Run the stage and keep its record; `require` raises where this process may no longer write."""
    started, clock = datetime.now(UTC), time.monotonic()
    report, code, reason = Report(""), 0, ""
    try:
        require_agreement(settings)
        if launching.to_launch(stage, settings.train.processes):
            command = [stage, "--run-date", str(run_date)]
            code = interruption.run(lambda: launching.launch(settings.train.processes, command))
            require()
            return code
        module = importlib.import_module(f"pipeline_tasks.stages.{stage}")
        report = interruption.run(lambda: module.run(settings, run_date))
        require()
    except Lost:
        raise
    except Exception as error:  # a stage must end in a line for people, whatever happened
        code, reason = _ended(error)
    if launching.rank():
        if code:
            print(f"{stage} {run_date}: process {launching.rank()}: {reason}", file=sys.stderr, flush=True)
            time.sleep(launching.GRACE_SECONDS)
        return code
    record = Record(
        stage=stage,
        run_date=str(run_date),
        status=STATUS[code],
        started=started.isoformat(),
        seconds=round(time.monotonic() - clock, 3),
        peak_rss_bytes=peak_rss_bytes(),
        host=socket.gethostname(),
        code=_code_version(),
        settings=settings.results_digest(),
        report=report,
        reason=reason,
    )
    kept = _keep(settings, record)
    print(f"{stage} {run_date}: {report.summary if code == 0 else f'{STATUS[code]}: {reason}'}", flush=True)
    return code if kept else code or 1


def _ended(error: Exception) -> tuple[int, str]:
    """Return the exit code and the reason of a stage that ended with `error`; called while that is handled.

    The traceback of what nobody expected goes to stderr, and so into Airflow's log: a container's files go with it.
    """
    if isinstance(error, NightjarError):
        return error.exit_code, str(error)
    traceback.print_exc()
    return 1, f"{_one_line(error)} (its traceback is in the stage's log)"


@contextmanager
def _alone(
    settings: Settings, stage: str, run_date: date, lost: Callable[[Lost], None]
) -> Iterator[Callable[[], None]]:
    """Keep other writers of nights out meanwhile; give what to call at the end, which raises where it did not.

    Who launches several processes keeps them out for all, before any of these reads; where they were started by hand,
    the first does. `lost` is called as soon as another has taken over. What tells how a night ended waits for nobody.
    Raises NightjarError while another writer is at work, and Refused for a night that can no longer be run again.
    """
    if launching.launched():
        yield _require_launcher
        return
    if launching.rank() or stage in TELLING:
        yield lambda: None
        return
    store = open_store(settings.lake_uri)
    with hold(store, "nights", settings.lease, f"{stage} of {run_date} by {who()}", lost) as lease:
        floors.refuse_below(store, run_date)
        yield lease.require


def _require_launcher() -> None:
    if not launching.launched():
        raise Lost(
            "the process that had started this one, and kept other writers out, has ended", "run it again"
        )


def _keep(settings: Settings, record: Record) -> bool:
    """Write the record; say so, and let the stage fail, when the lake does not take it."""
    try:
        store = open_store(settings.lake_uri)
        before = _before(store, record)
        outputs = before.report.outputs if before else {}
        if record.status == "done":
            _tell_later_nights(store, record, outputs)
        else:  # later nights were made from these still
            record.report.outputs = outputs
        record.changed_before = before.changed if before and record.status == "refused" else 0
        record.turn = records.next_turn(store, date.fromisoformat(record.run_date))
        records.write(store, record)
    except NightjarError as error:
        print(f"the record of {record.stage} could not be kept: {error}", file=sys.stderr)
        return False
    return True


def _before(store: Store, record: Record) -> Record | None:
    """Return the stage's record before, whose outputs are those of its newest run that was done.

    Where it is damaged they are not known, and unlike any; a stage that only tells has none.
    """
    try:
        return records.read(store, date.fromisoformat(record.run_date), record.stage)
    except Refused:
        made = {} if record.stage in TELLING else {record.stage: "its record was damaged"}
        return replace(record, report=Report("", outputs=made))


def _tell_later_nights(store: Store, record: Record, before: dict[str, str]) -> None:
    """Say of later nights that they were made from what this rerun has changed."""
    run_date = date.fromisoformat(record.run_date)
    if record.stage == "ingest":
        staleness.clear(store, run_date)
    if before != record.report.outputs:
        how = "again with another result" if before else "for the first time"
        staleness.mark_after(store, run_date, f"{record.stage} of {run_date} was run {how}")


def _one_line(error: Exception) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first[:300]}"


def peak_rss_bytes() -> int:
    """Return the sum of the peaks of this process and its living descendants (Spark's JVM and workers)."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return own + sum(_peak_of(pid) for pid in processes.descendants(os.getpid()))


def _peak_of(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def _code_version() -> str:
    try:
        found = subprocess.run(
            ["git", "-C", str(CHECKOUT), "rev-parse", "--short=12", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:  # the training container has no git
        return __version__
    return f"{__version__}+{found.stdout.strip()}" if found.returncode == 0 else __version__
