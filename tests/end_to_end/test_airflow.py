"""The real DAG: from a terminal on an S3 lake, and triggered over REST in a real scheduler."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.end_to_end.conftest import END

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def environment(quick: dict[str, Any], shop: Path, lake: str, root: Path) -> dict[str, str]:
    settings = {f"NIGHTJAR_{name.upper()}": json.dumps(section) for name, section in quick.items()}
    return {
        **os.environ,
        **settings,
        "NIGHTJAR_DATA": str(shop),
        "NIGHTJAR_LAKE": lake,
        "NIGHTJAR_STATE": str(root / "state"),
        "NIGHTJAR_AIRFLOW__RETRIES": "0",
        "AIRFLOW_HOME": str(root / "airflow"),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    }


def test_a_night_from_the_terminal_on_s3_is_the_same_version_as_on_a_local_lake(
    s3_lake: Any, shop: Path, quick: dict[str, Any], tmp_path: Path, nights: Any
) -> None:
    env = environment(quick, shop, s3_lake.uri, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline_tasks", "nightly", "--run-date", str(END)],
        env=env,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for stage in ("ingest", "train", "publish", "outcome"):
        assert f"  {stage}" in done.stdout
    entry = json.loads(s3_lake.read("recommendations/current.json"))
    assert entry["version"] in done.stdout
    _, local, _ = nights
    first = json.loads(local.read("recommendations/log/0000000001.json"))
    assert (entry["version"], entry["run_date"]) == (first["version"], str(END))
    assert "Traceback" not in done.stdout + done.stderr


@pytest.fixture
def standalone(shop: Path, quick: dict[str, Any], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """`airflow standalone` with the project's DAGs on a free port; gives its address and the lake."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lake = tmp_path / "lake"
    env = {
        **environment(quick, shop, lake.as_uri(), tmp_path),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }
    with (tmp_path / "standalone.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline_tasks", "airflow", "standalone"],
            env=env,
            cwd=CHECKOUT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield f"http://127.0.0.1:{port}", lake
    finally:
        end_session(process)


def end_session(leader: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it started: standalone leaves its children behind when it is killed."""
    members = [each for each in psutil.process_iter() if _session_of(each.pid) == leader.pid]
    for each in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.terminate()
    for each in psutil.wait_procs(members, timeout=20)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    leader.wait(20)


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


class Api:
    """The few calls of Airflow's REST API that a person's click on Trigger makes."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.token = ""

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read() or b"{}")

    def runs(self, dag: str) -> list[dict[str, Any]]:
        return self.call("GET", f"/api/v2/dags/{dag}/dagRuns")["dag_runs"]


def wait_for(what: str, seconds: float, ready: Any) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            found = ready()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            found = None
        if found:
            return found
        time.sleep(1)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


def test_a_run_triggered_by_hand_publishes_and_wakes_the_consumer(standalone: tuple[str, Path]) -> None:
    address, lake = standalone
    api = Api(address)
    api.token = wait_for("the API", 120, lambda: api.call("GET", "/auth/token").get("access_token"))
    wait_for("the DAGs", 120, lambda: api.call("GET", "/api/v2/dags/nightly_recommendations"))
    wait_for("the consumer", 60, lambda: api.call("GET", "/api/v2/dags/example_consumer"))
    for dag in ("example_consumer", "nightly_recommendations"):
        api.call("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})
    api.call(
        "POST",
        "/api/v2/dags/nightly_recommendations/dagRuns",
        {"logical_date": None, "conf": {"run_date": str(END), "model": "item_knn", "publish": "auto"}},
    )

    def ended() -> str | None:
        states = [run["state"] for run in api.runs("nightly_recommendations") if run["run_type"] == "manual"]
        return states[0] if states and states[0] in ("success", "failed") else None

    assert wait_for("the night", 400, ended) == "success"
    entry = json.loads((lake / "recommendations" / "current.json").read_text())
    assert entry["run_date"] == str(END)
    consumer = wait_for(
        "the consumer's run",
        120,
        lambda: [run for run in api.runs("example_consumer") if run["state"] in ("success", "failed")],
    )
    assert consumer[0]["state"] == "success"
    assert consumer[0]["run_type"] == "asset_triggered"
