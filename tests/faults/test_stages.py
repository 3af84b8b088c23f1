"""Whole stages, each in a process of its own as the scheduler starts it, killed while they write what readers wait for."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log, verdicts, verification
from pipeline_tasks.publishing.log import Change
from tests.conftest import CHECKOUT
from tests.faults.lakes import NIGHTS, first_item
from tests.faults.polling import Poller
from tests.lists import make_version
from tests.stages.staged_night import SETTINGS, write_source, write_staged

NIGHT = NIGHTS[1]
OWN = {
    **{f"NIGHTJAR_RECOMMEND__{name.upper()}": str(value) for name, value in SETTINGS["recommend"].items()},
    "NIGHTJAR_SPARK__MASTER": "local[2]",
    "NIGHTJAR_SPARK__DRIVER_MEMORY": "1g",
    "NIGHTJAR_LEASE__EXPIRES_SECONDS": "2",
    "NIGHTJAR_PUBLISH__MODE": "force",
    "NIGHTJAR_PUBLISH__WHY": "the lists are other ones",
}

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start(lake: Store, tmp_path: Path) -> Start:
    """Return a function that starts a stage of the night; before it another night is live."""
    old = make_version(lake, tmp_path / "old", {"ann": [first_item(NIGHTS[0])]}, night=NIGHTS[0])
    log.append(
        lake,
        Change(old.version, str(NIGHTS[0]), old.sha256, "publish", "a test", "a night"),
        lambda live: None,
    )
    write_source(tmp_path / "data")
    write_staged(lake, tmp_path / "staged", NIGHT)
    places = {"LAKE": lake.uri, "STATE": str(tmp_path / "state"), "DATA": str(tmp_path / "data")}
    environment = {**os.environ, **OWN, **{f"NIGHTJAR_{name}": value for name, value in places.items()}}

    def start(stage: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline_tasks", stage, "--run-date", str(NIGHT)],
            cwd=CHECKOUT,
            env=environment,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


@contextmanager
def readers(lake: Store) -> Iterator[Poller]:
    """Read all the while."""
    poller, ended = Poller(lake.uri, lambda night: first_item(night) if night == NIGHTS[0] else "i1"), []

    def poll() -> None:
        while not ended:
            poller.poll()
            time.sleep(0.02)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield poller
    finally:
        ended.append(True)
        thread.join()


def kill_when(process: "subprocess.Popen[str]", there: Callable[[], object]) -> None:
    """Kill the stage, and the Java beside it, as soon as it is `there`."""
    while not there():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def done(process: "subprocess.Popen[str]") -> str:
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return said


def test_a_night_whose_check_and_publication_are_killed_goes_live_whole(lake: Store, start: Start) -> None:
    written = f"{layout.version(str(NIGHT))}-"
    with readers(lake) as poller:
        kill_when(start("check"), lambda: lake.keys(written))
        assert verdicts.read(lake, NIGHT) is None
        done(start("check"))
        verdict = verdicts.require_passed(lake, NIGHT)
        kill_when(start("publish"), lambda: lake.exists(layout.log_entry(2)))
        assert "entry 2" in start("publish").communicate()[0]
    assert poller.seen.wrong == []
    assert poller.seen.said == 0
    assert poller.newest == 2
    assert [entry.version for entry in log.history(lake)][1:] == [verdict.version]
    assert list(verification.faults_of_log(lake)) == []
    assert verification.look(lake, verdict.version).faults == []
