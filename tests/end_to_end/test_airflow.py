"""The real DAG in a real scheduler: backfilled, on its schedule, released by a button, and triggered over REST."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from pipeline_tasks.lake import layout
from pipeline_tasks.lake.local import LocalStore
from tests.conftest import CHECKOUT
from tests.end_to_end.conftest import END, LAST, environment
from tests.end_to_end.standalone import (
    CONSUMER,
    HALF_A_DAY,
    NIGHTLY,
    Standalone,
    free_ports,
    switch_on,
)
from tests.living import living
from tests.webhook import listening

HELD = LAST + timedelta(days=1)
NIGHT_SECONDS = 600
READING_SECONDS = 10
# a message more than one would have come by then
QUIET_SECONDS = 5


@pytest.fixture(scope="module")
def standalone(
    shop: Path, quick: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standalone]:
    """`airflow standalone` with the project's DAGs, switched on, on a free port; its lake is empty."""
    root = tmp_path_factory.mktemp("standalone")
    port, workers_logs, triggerers_logs = free_ports(3)
    address = f"http://127.0.0.1:{port}"
    with listening() as webhook:
        env = {
            **environment(quick, shop, (root / "lake").as_uri(), root),
            "NIGHTJAR_CONFIG": str(root / "nightjar.toml"),
            "NIGHTJAR_NOTIFY__WEBHOOK": webhook.url,
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": address,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "5",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(workers_logs),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(triggerers_logs),
        }
        started = Standalone(root, env, address, webhook)
        started.schedule_in(HALF_A_DAY)
        with started.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipeline_tasks", "airflow", "standalone"],
                env=env,
                cwd=CHECKOUT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            switch_on(started.api)
            yield started
        finally:
            begun = [each.pid for each in psutil.Process(process.pid).children(recursive=True)]
            process.terminate()
            process.wait(60)
            assert living(begun) == []


def log(lake: LocalStore) -> list[dict[str, Any]]:
    return [json.loads(lake.read(key)) for key in lake.keys(layout.LOG)]


@pytest.fixture(scope="module")
def late(standalone: Standalone) -> str:
    """A scheduled run whose deadline passes while it waits for a worker; somebody ends it, as it need not run to be late."""
    api = standalone.api
    api.workers(0)
    standalone.schedule_in(0)
    (made,) = standalone.wait_for("the scheduled run", NIGHT_SECONDS, lambda: api.runs(NIGHTLY, "scheduled"))
    assert datetime.fromisoformat(made["run_after"]) == standalone.starts
    run: str = made["dag_run_id"]
    api.call("PATCH", f"/api/v2/dags/{NIGHTLY}/dagRuns/{quote(run)}", {"state": "failed"})
    api.workers(8)
    return run


@pytest.mark.timeout(3 * NIGHT_SECONDS)
def test_a_backfill_makes_one_night_after_the_other(standalone: Standalone, late: str) -> None:
    """The first goes live; the second is held, since meanwhile somebody has asked for that. Of neither is anybody told."""
    api, lake = standalone.api, standalone.lake
    mornings = ("--from-date", str(HELD), "--to-date", f"{HELD + timedelta(days=1)}T23:59")
    standalone.airflow("backfill", "create", "--dag-id", NIGHTLY, *mornings, "--max-active-runs", "1")
    first, second = [run["dag_run_id"] for run in api.runs(NIGHTLY, "backfill")]
    assert (first[:20], second[:20]) == ("backfill__2026-07-01", "backfill__2026-07-02")
    standalone.wait_for("the first night", NIGHT_SECONDS, lambda: log(lake))
    standalone.configure(publish="hold")
    for run in (first, second):
        ended = standalone.wait_for("the night", NIGHT_SECONDS, lambda run=run: api.ended(NIGHTLY, run))
        assert ended == "success", run
    assert [(each["run_date"], each["who"]) for each in log(lake)] == [
        (str(LAST), f"airflow {NIGHTLY} {first}")
    ]
    assert json.loads(lake.read(layout.verdict(HELD)))["passed"]
    one, other = api.runs(NIGHTLY, "backfill")
    assert one["end_date"] <= other["start_date"]
    assert api.missed(NIGHTLY, first) == api.missed(NIGHTLY, second) == [True]
    assert not [text for text in standalone.webhook.texts if late not in text]


def test_a_scheduled_night_that_is_late_is_told_once(standalone: Standalone, late: str) -> None:
    night = standalone.starts.date() - timedelta(days=1)
    told = standalone.wait_for("the missed deadline", 150, lambda: standalone.webhook.texts)
    subject, so_far, _, airflow = told[0].splitlines()
    assert subject == f"Nightjar: night {night} is not live at {standalone.deadline:%H:%M} UTC"
    assert so_far == "so far: ingest has not run"
    assert airflow == f"Airflow: {late}"
    assert len(told) == 1


def test_a_night_that_is_held_goes_live_by_a_button_and_wakes_the_consumer(standalone: Standalone) -> None:
    """Of the day after the shop's last: a version of an earlier night would be refused for what has sold out since."""
    api, lake = standalone.api, standalone.lake
    woken = standalone.wait_for(
        "who reads what a night publishes", 120, lambda: api.runs(CONSUMER, "asset_triggered")
    )
    assert len(woken) == 1
    run = api.trigger("release_recommendations", {"why": "looks good"})
    path = f"/api/v2/dags/release_recommendations/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
    asked = standalone.wait_for("the question", 120, lambda: api.call("GET", path))
    assert f"Night {HELD}" in asked["body"]
    version = json.loads(lake.read(layout.verdict(HELD)))["version"]
    assert asked["subject"] == f"May {version} go live?"
    # nobody reads in less; an answer before the scheduler has heard that the question was put is lost to Airflow
    time.sleep(READING_SECONDS)
    api.call("PATCH", path, {"chosen_options": ["Approve"]})
    ended = standalone.wait_for("the release", 120, lambda: api.ended("release_recommendations", run))
    assert ended == "success"
    entry = json.loads(lake.read(layout.CURRENT))
    assert (entry["run_date"], entry["version"], entry["action"]) == (str(HELD), version, "release")
    assert entry["why"] == "looks good"
    assert entry["who"].startswith("airflow release_recommendations ")

    (again,) = standalone.wait_for("its readers", 120, lambda: api.runs(CONSUMER, "asset_triggered")[1:])
    ended = standalone.wait_for("the consumer", 120, lambda: api.ended(CONSUMER, again["dag_run_id"]))
    assert ended == "success"


def test_a_night_that_fails_is_told_once_with_its_reason(standalone: Standalone) -> None:
    api, webhook = standalone.api, standalone.webhook
    before, live = len(webhook.texts), log(standalone.lake)[-1]["version"]
    night = END - timedelta(days=3)
    run = api.trigger(NIGHTLY, {"run_date": str(night), "model": "item_knn", "publish": "auto", "why": ""})
    assert standalone.wait_for("the night", 120, lambda: api.ended(NIGHTLY, run)) == "failed"
    standalone.wait_for("the message", 120, lambda: webhook.texts[before:])
    time.sleep(QUIET_SECONDS)
    (told,) = webhook.texts[before:]
    subject, reason, reads, report, airflow = told.splitlines()
    assert subject == f"Nightjar: night {night} failed"
    assert reason.startswith("ingest refused: ")
    assert "first night" in reason
    assert reads == f"consumers read {live}"
    assert report == f"report: {standalone.lake.uri}/reports/{night}/index.html"
    assert airflow == f"Airflow: {run} failed (task_failure)"
    secret = webhook.url.rpartition("/")[2].encode()
    assert files_with(standalone.root, secret) == []  # logs, records, and what Airflow's database holds


def files_with(folder: Path, content: bytes) -> list[Path]:
    """Return the files that hold `content`; a running Airflow may remove some while they are read."""
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            found += [path] if path.is_file() and content in path.read_bytes() else []
    return found
