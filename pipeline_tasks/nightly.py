"""A whole night through Airflow from a terminal: a line a stage as it ends, a summary, an exit code."""

import json
import os
import signal
import subprocess
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipeline_tasks import airflow_home, processes, settings
from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.interruption import hearing, leave
from pipeline_tasks.lake import records
from pipeline_tasks.lake.records import Record
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.reporting import summary, text
from pipeline_tasks.settings import PublishSettings, Settings

DAG = "nightly_recommendations"
# of nights from a terminal alone: to a scheduler a run that was killed would be at work for ever, and keep it from others
DATABASE = airflow_home.HOME / "nightly.db"
POLL_SECONDS = 0.3
EXIT_CODES = {"done": 0, "refused": 2}
# in which a stage may end by itself
GRACE_SECONDS = 3.0


def run_nightly(
    loaded: Settings, run_date: str | None, model: str | None, publish: str | None, why: str | None
) -> int:
    """Run the DAG once, in this terminal; return 0 when the night ended as asked, 2 refused, 1 failed.

    Whoever ends this process ends Airflow and the stage that it runs: raises KeyboardInterrupt for Ctrl-C, else SystemExit
    (128 and the signal's number).
    """
    mode, reason = publish or loaded.publish.mode, why or loaded.publish.why
    if mode == "force" and not reason:
        raise Refused("a night is forced without a reason", "say --why: the log keeps it")
    today = datetime.now(UTC).date()
    night = settings.parse_run_date(run_date) if run_date else today - timedelta(days=1)
    settings.refuse_unfinished(night, today)
    log = airflow_home.HOME / "logs" / f"nightly-{night}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    print(f"Night {night} of {loaded.data_root}\nlake {loaded.lake_uri}\nlog {_shown(log)}\n", flush=True)
    chosen = {
        "run_date": str(night),
        "model": model or loaded.train.model,
        "publish": mode,
        "why": reason,
    }
    store = open_store(loaded.lake_uri)
    elsewhere = loaded.train.launcher != "process"
    with hearing(leave):
        airflow_home.prepare(DATABASE, log)
        turn = records.next_turn(store, night)
        with processes.started(
            lambda: _start(chosen, log), lambda process: _end(process, elsewhere)
        ) as process:
            outcome = _watch(process, store, night, turn)
    if outcome is None:
        print(f"\nAirflow ended before the night did; the end of {_shown(log)}:\n{_tail(log)}")
        return 1
    asked = loaded.model_copy(update={"publish": PublishSettings(mode=chosen["publish"], why=chosen["why"])})
    print("\n" + text.render(summary.collect(store, asked, night)))
    return EXIT_CODES.get(outcome.status, 1)


def _start(chosen: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start the run. It does not wait to retry: whoever watches sees the reason and decides.

    It has a session of its own: Ctrl-C reaches who watches alone, and Airflow would only go on to the next stage.
    """
    environment = {**airflow_home.environment(DATABASE), "NIGHTJAR_AIRFLOW__RETRIES": "0"}
    with log.open("ab") as output:
        return subprocess.Popen(
            airflow_home.command("dags", "test", DAG, "--conf", json.dumps(chosen)),
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=settings.CHECKOUT,
            start_new_session=True,
        )


def _watch(process: subprocess.Popen[bytes], store: Store, night: date, turn: int) -> Record | None:
    """Print each stage of this run as its record appears; return the outcome's, or None without one.

    The run's records begin with `turn`.
    """
    waiting = list(records.STAGES)
    found: Record | None = None
    while waiting:
        ended = process.poll() is not None
        for record in _appeared(store, night, waiting, turn):
            waiting = waiting[waiting.index(record.stage) + 1 :]
            found = record
            print(_line(record), flush=True)
        if ended:
            break
        time.sleep(POLL_SECONDS)
    process.wait()
    return found if found and found.stage == "outcome" else None


def _end(process: subprocess.Popen[bytes], elsewhere: bool) -> None:
    """End Airflow and all that it has started, where it has not ended yet.

    Asked to end, Airflow ends its task and goes on with the next. It is asked only where some tasks run `elsewhere`, in a
    container or a pod, which nobody else removes.
    """
    if process.poll() is not None:
        return
    if elsewhere:
        at_work = processes.descendants(process.pid)
        until = time.monotonic() + airflow_home.ELSEWHERE_SECONDS
        process.terminate()
        while process.poll() is None and time.monotonic() < until:
            if processes.descendants(process.pid) - at_work:
                break  # the next stage
            time.sleep(POLL_SECONDS)
    process.send_signal(signal.SIGSTOP)  # so that it starts nothing more
    started = processes.descendants(process.pid)
    process.kill()
    process.wait()
    processes.end(started, GRACE_SECONDS)


def _appeared(store: Store, night: date, waiting: list[str], turn: int) -> list[Record]:
    fresh = []
    for stage in waiting:
        try:
            record = records.read(store, night, stage)
        except NightjarError:  # a store that hiccups while we look is no failure of the night
            continue
        if record and record.turn >= turn:
            fresh.append(record)
    return fresh


def _line(record: Record) -> str:
    shown = record.report.summary if record.status == "done" else f"{record.status.upper()}: {record.reason}"
    return f"  {record.stage:<12}{record.seconds:6.1f} s  {shown}"


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _shown(path: Path) -> str:
    return os.path.relpath(path)
