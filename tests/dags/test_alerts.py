"""Deadlines and callbacks: Airflow finds them, and they name the right night."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.dags.loading import load, serialized


def test_without_a_deadline_nobody_waits_for_one(nightly: Any) -> None:
    assert nightly.deadline is None


def test_a_deadline_is_so_long_after_the_schedules_moment(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTJAR_AIRFLOW__DEADLINE", "06:00")
    dag = load("nightly_recommendations")
    (alert,) = dag.deadline
    assert (alert.interval, alert.name) == (timedelta(hours=4), "tables live by 06:00 UTC")
    assert alert.reference.reference_name == "DagRunLogicalDateDeadline"
    assert serialized(dag)["deadline"]


def test_airflow_finds_the_callbacks_by_their_names(nightly: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The triggerer imports the deadline's by its path; the DAG processor has the DAG's own at hand."""
    from airflow.sdk._shared.module_loading import accepts_context, import_string

    from pipeline_tasks.notifying import callbacks

    monkeypatch.setenv("NIGHTJAR_AIRFLOW__DEADLINE", "06:00")
    (alert,) = load("nightly_recommendations").deadline
    assert import_string(alert.callback.path) is callbacks.on_missed_deadline
    assert accepts_context(callbacks.on_missed_deadline)
    assert nightly.on_failure_callback is callbacks.on_failure


def test_of_what_is_scheduled_no_failure_goes_untold(airflow_home: Path) -> None:
    from pipeline_tasks.notifying import callbacks

    assert load("retention").on_failure_callback is callbacks.on_other_failure


def test_a_callbacks_night_is_its_tasks_night(nightly: Any) -> None:
    from pipeline_tasks.notifying.callbacks import run_of

    moment = datetime(2026, 7, 1, 2, tzinfo=UTC)
    task, macros = nightly.get_task("train"), __import__("airflow.sdk.execution_time.macros", fromlist=["x"])
    for logical, typed in ((moment, None), (None, None), (moment, "2018-09-24")):
        run = SimpleNamespace(
            run_id="r", run_type="manual", logical_date=logical, run_after=moment, conf={"run_date": typed}
        )
        params = {"run_date": typed, "model": "popular", "publish": "off", "why": ""}
        context = {"params": params, "dag_run": run, "macros": macros}
        rendered = task.render_template(task.env, context, nightly.get_template_env())
        assert rendered["NIGHTJAR_RUN_DATE"] == str(run_of(context).night)
