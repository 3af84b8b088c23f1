"""A running `airflow standalone` with the project's DAGs, and the calls that a person's clicks make."""

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline_tasks.lake.local import LocalStore
from tests.conftest import CHECKOUT
from tests.webhook import Webhook

NIGHTLY, CONSUMER = "nightly_recommendations", "example_consumer"
HALF_A_DAY = 43_200
SAID_LAST = 4_000  # characters


class Standalone:
    """A running `airflow standalone`: its environment, its lake, its API, what was posted to its webhook."""

    def __init__(self, root: Path, env: dict[str, str], address: str, webhook: Webhook) -> None:
        self.env, self.api, self.webhook = env, Api(address), webhook
        self.root, self.lake, self._config = root, LocalStore(root / "lake"), Path(env["NIGHTJAR_CONFIG"])
        self.log = root / "standalone.log"

    def schedule_in(self, seconds: float) -> None:
        """Let the nightly DAG start at the next whole minute after so many seconds, and be live by the one after it."""
        self.starts = (datetime.now(UTC) + timedelta(seconds=seconds + 60)).replace(second=0, microsecond=0)
        self.deadline = self.starts + timedelta(minutes=1)
        self.configure()

    def configure(self, publish: str = "auto") -> None:
        """Write the settings anew, as somebody would; each task reads them when it starts."""
        shipped = (CHECKOUT / "nightjar.toml").read_text()
        dates = f"[airflow]\nschedule = '{self.starts:%M %H * * *}'\ndeadline = '{self.deadline:%H:%M}'\n"
        written = self._config.with_suffix(".new")
        written.write_text(f"{shipped}\n{dates}\n[publish]\nmode = '{publish}'\n")
        written.replace(self._config)

    def airflow(self, *words: str) -> None:
        """Run a command as a person would."""
        command = [sys.executable, "-m", "pipeline_tasks", "airflow", *words]
        done = subprocess.run(
            command, env=self.env, cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def wait_for(self, what: str, seconds: float, ready: Callable[[], Any]) -> Any:
        """Wait as the function below; what takes too long is told with what Airflow said last: its parts may have ended."""
        try:
            return wait_for(what, seconds, ready)
        except AssertionError as error:
            error.add_note(self.log.read_text(errors="replace")[-SAID_LAST:])
            raise


def free_ports(count: int) -> list[int]:
    """Return so many different ports of the loopback that nobody listens on."""
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def switch_on(api: "Api") -> None:
    api.token = wait_for("the API", 120, lambda: api.call("GET", "/auth/token").get("access_token"))
    for dag in (CONSUMER, "release_recommendations", NIGHTLY):
        wait_for(f"the DAG {dag}", 120, lambda dag=dag: api.call("GET", f"/api/v2/dags/{dag}"))
        api.call("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})


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

    def ended(self, dag: str, run: str) -> str | None:
        """Return how a run ended, None while it goes on."""
        state: str = self.call("GET", f"/api/v2/dags/{dag}/dagRuns/{quote(run)}")["state"]
        return state if state in ("success", "failed") else None

    def runs(self, dag: str, kind: str) -> list[dict[str, Any]]:
        """Return the DAG's runs that were started in one way (scheduled, manual, backfill, …), oldest first."""
        found = self.call("GET", f"/api/v2/dags/{dag}/dagRuns?order_by=run_after")["dag_runs"]
        return [run for run in found if run["run_type"] == kind]

    def workers(self, slots: int) -> None:
        """Let so many tasks run at a time."""
        self.call("PATCH", "/api/v2/pools/default_pool?update_mask=slots", {"slots": slots})

    def missed(self, dag: str, run: str) -> list[bool]:
        """Say of each deadline of a run whether it was missed, as Airflow's own pages do."""
        found = self.call("GET", f"/ui/dags/{dag}/dagRuns/{quote(run)}/deadlines")
        return [deadline["missed"] for deadline in found["deadlines"]]


def wait_for(what: str, seconds: float, ready: Callable[[], Any]) -> Any:
    """Return what `ready` returns once it is true; an API that does not answer is asked again.

    Raises AssertionError where that takes longer.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            if found := ready():
                return found
        time.sleep(1)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")
