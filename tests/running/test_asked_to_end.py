"""A stage that is asked to end gives its lease back: the next run waits for nobody."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.__main__ import _leave_when_asked
from pipeline_tasks.lake import layout, records
from pipeline_tasks.lake.lease import hold
from pipeline_tasks.lake.local import LocalStore
from tests.conftest import CHECKOUT
from tests.running.conftest import D

SECONDS = 60
AT_WORK_SECONDS = 1.5
Begin = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Return a function that starts a stage of night D, whose source's store never answers."""
    (tmp_path / "nightjar.toml").write_text(
        'source = "deaf"\n[sources.deaf.interactions]\nuri = "s3://shop/events.csv"\nformat = "csv"\n'
        'columns = { user_id = "user", item_id = "item", event_time = "time" }\n'
    )
    store = socket.create_server(("127.0.0.1", 0))
    environment = {
        "NIGHTJAR_CONFIG": str(tmp_path / "nightjar.toml"),
        "NIGHTJAR_DATA": str(tmp_path),
        "NIGHTJAR_LAKE": (tmp_path / "lake").as_uri(),
        "NIGHTJAR_STATE": str(tmp_path / "state"),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store.getsockname()[1]}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    started: list[subprocess.Popen[str]] = []

    def start(stage: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline_tasks", stage, "--run-date", str(D)],
            cwd=CHECKOUT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # nohup, by which tests may have been started, ignores it
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    store.close()


def lease(lake: LocalStore) -> dict[str, Any]:
    """Return the newest claim on the lease `nights`, once there is one."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        keys = [key for key in lake.keys(layout.leases("nights")) if key.endswith(".json")]
        if keys:
            found: dict[str, Any] = json.loads(lake.read(keys[-1]))
            return found
        time.sleep(0.05)
    raise AssertionError("nobody holds the lease")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stage_that_is_asked_to_end_gives_its_lease_back(
    begin: Begin, lake: LocalStore, number: signal.Signals
) -> None:
    process = begin("ingest")
    assert not lease(lake)["released"]
    time.sleep(AT_WORK_SECONDS)
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(SECONDS) == 128 + number
    assert lease(lake)["released"]
    assert records.read(lake, D, "ingest") is None


def test_who_waits_for_a_lease_ends_when_it_is_asked_to(
    begin: Begin, lake: LocalStore, make_settings
) -> None:
    with hold(lake, "nights", make_settings().lease, "the stage ahead"):
        process = begin("ingest")
        assert process.stdout
        assert "waiting for the lease 'nights'" in process.stdout.readline()
        process.terminate()
        assert process.wait(SECONDS) == 128 + signal.SIGTERM


def test_one_of_several_processes_and_airflow_end_as_they_do_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for words, several in ((["train"], "2"), (["airflow", "standalone"], "1")):
        monkeypatch.setenv("WORLD_SIZE", several)
        monkeypatch.setattr(sys, "argv", ["pipeline_tasks", *words])
        _leave_when_asked()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
