"""`nightly` from a terminal: whoever ends it ends Airflow and the stage that it runs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.living import living

# As Airflow does, it runs each stage in a session of its own, ends it when it is asked to end, and goes on.
AIRFLOW = """
trap 'echo asked > asked; kill $stage' TERM
echo $$ > pids
while true; do setsid sleep 600 & stage=$!; echo $stage >> pids; wait; done
"""
NIGHTLY = """
import signal
import sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests run under nohup
from pipeline_tasks import airflow_home
from pipeline_tasks.__main__ import main
airflow_home.prepare = lambda database, log: None
airflow_home.command = lambda *words: ["sh", "-c", "cd {folder}; {airflow}"]
{before}
sys.exit(main(["nightly", "--run-date", "2026-06-30"]))
"""
# Its own signal comes once Airflow runs a stage, and before the caller of Popen knows of the process.
AS_IT_STARTS = """
import os
import pathlib
import subprocess
import time
class Popen(subprocess.Popen):
    def __init__(self, *words, **how):
        super().__init__(*words, **how)
        pids = pathlib.Path("{folder}/pids")
        while not pids.is_file() or len(pids.read_text().split()) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
subprocess.Popen = Popen
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Return a function that starts `nightly`, and returns when Airflow, which is a shell, runs a stage."""
    places = {
        "NIGHTJAR_LAKE": (tmp_path / "lake").as_uri(),
        "NIGHTJAR_STATE": str(tmp_path / "state"),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
    }
    running: list[subprocess.Popen[str]] = []

    def start(before: str = "") -> "subprocess.Popen[str]":
        code = NIGHTLY.replace("{before}", before).replace("{folder}", str(tmp_path))
        code = code.replace("{airflow}", AIRFLOW.strip().replace("\n", "; "))
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=CHECKOUT,
            env={**os.environ, **places},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        until = time.monotonic() + 60
        while len(started(tmp_path)) < 2 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()
    for pid in alive(tmp_path):
        os.kill(pid, signal.SIGKILL)


def started(folder: Path) -> list[int]:
    """Return the processes of Airflow and of its stages."""
    path = folder / "pids"
    return [int(line) for line in path.read_text().split()] if path.is_file() else []


def alive(folder: Path) -> list[int]:
    """Return those that have not ended."""
    return living(started(folder))


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGTERM, 143, ""),
        (signal.SIGHUP, 129, ""),
        (signal.SIGINT, 130, "nightly: interrupted\n"),
    ],
)
def test_who_ends_it_ends_airflow_and_its_stage(
    start: Start, tmp_path: Path, number: signal.Signals, code: int, said: str
) -> None:
    process = start()
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == code
    assert alive(tmp_path) == []
    assert len(started(tmp_path)) == 2
    assert out.partition("nightly-2026-06-30.log\n\n")[2] == said


def test_who_ends_it_as_airflow_starts_ends_airflow_too(start: Start, tmp_path: Path) -> None:
    process = start(AS_IT_STARTS)
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert len(started(tmp_path)) == 2
    assert alive(tmp_path) == []


def test_airflow_is_asked_first_where_a_stage_may_run_in_a_container(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTJAR_TRAIN__LAUNCHER", "docker")
    process = start()
    process.terminate()
    process.communicate(timeout=30)
    assert (tmp_path / "asked").is_file()
    assert alive(tmp_path) == []
