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

from tests.end_to_end.conftest import END, LAST

READING_SECONDS = 10
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

    def trigger(self, dag: str, conf: dict[str, Any]) -> str:
        """Start a run and return its id."""
        body = {"logical_date": None, "conf": conf}
        run: str = self.call("POST", f"/api/v2/dags/{dag}/dagRuns", body)["dag_run_id"]
        return run

    def ended(self, dag: str) -> str | None:
        """Return how the DAG's run ended, None while there is none or it goes on."""
        states = [run["state"] for run in self.runs(dag) if run["run_type"] != "scheduled"]
        return states[0] if states and states[0] in ("success", "failed") else None

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


def test_a_night_that_is_held_goes_live_by_a_button_and_wakes_the_consumer(
    standalone: tuple[str, Path],
) -> None:
    """Of the shop's last day: a version of an earlier night would be refused for what has sold out since."""
    address, lake = standalone
    api = Api(address)
    api.token = wait_for("the API", 120, lambda: api.call("GET", "/auth/token").get("access_token"))
    dags = ("example_consumer", "release_recommendations", "nightly_recommendations")
    for dag in dags:
        wait_for(f"the DAG {dag}", 120, lambda dag=dag: api.call("GET", f"/api/v2/dags/{dag}"))
        api.call("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})
    conf = {"run_date": str(LAST), "model": "item_knn", "publish": "hold", "why": ""}
    api.trigger("nightly_recommendations", conf)
    assert wait_for("the night", 400, lambda: api.ended("nightly_recommendations")) == "success"
    assert not (lake / "recommendations" / "log").exists()
    assert not api.runs("example_consumer")
    run = api.trigger("release_recommendations", {"why": "looks good"})
    path = f"/api/v2/dags/release_recommendations/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
    asked = wait_for("the question", 120, lambda: api.call("GET", path))
    assert f"Night {LAST}" in asked["body"]
    version = json.loads(next((lake / "recommendations" / "verdicts").iterdir()).read_text())["version"]
    assert asked["subject"] == f"May {version} go live?"
    # nobody reads in less; an answer before the scheduler has heard that the question was put is lost to Airflow
    time.sleep(READING_SECONDS)
    api.call("PATCH", path, {"chosen_options": ["Approve"]})
    assert wait_for("the release", 120, lambda: api.ended("release_recommendations")) == "success"
    entry = json.loads((lake / "recommendations" / "current.json").read_text())
    assert (entry["run_date"], entry["version"], entry["action"]) == (str(LAST), version, "release")
    assert entry["why"] == "looks good"
    assert entry["who"].startswith("airflow release_recommendations ")
    consumer = wait_for("the consumer's run", 120, lambda: api.ended("example_consumer"))
    assert consumer == "success"
    assert api.runs("example_consumer")[0]["run_type"] == "asset_triggered"
