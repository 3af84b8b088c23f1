"""The DAGs: they load, only wire, and pass values by environment."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.dags.loading import CHECKOUT, DAGS, as_scheduled, load
from tests.publishing.going_live import go_live


def test_the_night_is_one_straight_chain(nightly: Any) -> None:
    from pipeline_tasks.lake.records import STAGES

    assert set(nightly.task_dict) == set(STAGES)
    for before, after in pairwise(STAGES):
        assert nightly.get_task(before).downstream_task_ids == {after}


def test_one_night_is_made_at_a_time(nightly: Any) -> None:
    assert nightly.max_active_runs == 1


def test_report_and_outcome_run_whatever_happened_before(nightly: Any) -> None:
    rules = {task.task_id: task.trigger_rule.value for task in nightly.tasks}
    assert {name for name, rule in rules.items() if rule == "all_done"} == {"report", "outcome"}


def test_the_outcome_is_told_which_stages_failed_in_this_run(nightly: Any) -> None:
    states = {"ingest": "failed", "validate": "upstream_failed", "publish": "skipped", "report": "failed"}
    asked = []

    def get_task_states(**of: Any) -> dict[str, dict[str, str]]:
        asked.append(of)
        return {"this run": states}

    task = nightly.get_task("outcome")
    known = {"ti": SimpleNamespace(get_task_states=get_task_states), "dag": nightly, "run_id": "this run"}
    told = task.render_template(task.env["NIGHTJAR_FAILED"], known, nightly.get_template_env())
    assert told.split() == ["ingest", "report"]
    assert asked == [{"dag_id": "nightly_recommendations", "run_ids": ["this run"]}]
    assert "NIGHTJAR_FAILED" not in nightly.get_task("report").env


def test_the_form_says_that_a_forced_night_needs_a_reason(nightly: Any) -> None:
    told = {name: nightly.params.get_param(name).description for name in ("publish", "why")}
    assert "say why" in told["publish"]
    assert told["why"].startswith("Needed where Publish is force")


def test_only_publishing_wakes_consumers(nightly: Any, airflow_home: Path) -> None:
    assert [task.task_id for task in nightly.tasks if task.outlets] == ["publish"]
    assert nightly.get_task("publish").outlets[0].name == "nightjar_recommendations"
    assert "nightjar_recommendations" in str(load("example_consumer").timetable.asset_condition)


def test_the_example_of_a_consumer_reads_no_row_to_count_them(
    airflow_home: Path, lake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = go_live(lake, tmp_path, 0)
    lake.delete([key for key in lake.keys("recommendations/versions/") if key.endswith(".parquet")])
    monkeypatch.setenv("NIGHTJAR_LAKE", lake.uri)
    read = load("example_consumer").get_task("read_tables").python_callable
    assert read() == {"version": name, "rows": 3}


def test_a_release_asks_first_and_releases_what_was_asked_about(airflow_home: Path) -> None:
    dag = load("release_recommendations")
    assert [task.task_id for task in dag.topological_sort()] == ["verdict", "approve", "release"]
    assert "xcom_pull(task_ids='verdict')['text']" in dag.get_task("approve").body
    release = dag.get_task("release")
    assert "xcom_pull(task_ids='verdict')['version']" in release.env["NIGHTJAR_VERSION"]
    assert [outlet.name for outlet in release.outlets] == ["nightjar_recommendations"]


def test_a_rollback_wants_a_reason_and_a_version_that_is_one(airflow_home: Path) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = load("rollback_recommendations").params
    assert params.get_param("version").resolve("2026-01-10-0123456789ab") == "2026-01-10-0123456789ab"
    for name, typed in (("why", ""), ("why", None), ("version", "2026-01-10; true")):
        with pytest.raises(ParamValidationError):
            params.get_param(name).resolve(typed)


def test_what_is_typed_for_a_release_or_rollback_meets_no_shell(airflow_home: Path) -> None:
    for name in ("release_recommendations", "rollback_recommendations"):
        for task in load(name).tasks:
            assert "{{" not in getattr(task, "bash_command", "")


def test_retention_only_says_what_it_would_do_unless_it_is_asked(airflow_home: Path) -> None:
    dag = load("retention")
    assert dag.params.get_param("apply").resolve() is False
    (task,) = dag.tasks
    assert task.bash_command.endswith("-m pipeline_tasks retention")
    for asked, told in ((False, "False"), (True, "True")):
        rendered = task.render_template(task.env, {"params": {"apply": asked}}, dag.get_template_env())
        assert rendered["NIGHTJAR_APPLY"] == told


@pytest.mark.parametrize(
    ("now", "starts"),
    [
        ((1, 59, 59), "2026-07-01T02:00"),
        # parsed again before the scheduler has looked: it is still to be run
        ((2, 0, 5), "2026-07-01T02:00"),
        ((2, 59, 59), "2026-07-01T02:00"),
        # switched on late: the next night is waited for
        ((3, 0, 1), "2026-07-02T02:00"),
        ((23, 0, 0), "2026-07-02T02:00"),
    ],
)
def test_a_first_night_is_started_up_to_an_hour_late(
    nightly: Any, monkeypatch: pytest.MonkeyPatch, now: tuple[int, int, int], starts: str
) -> None:
    from airflow.timetables import trigger

    monkeypatch.setattr(trigger, "utcnow", lambda: datetime(2026, 7, 1, *now, tzinfo=UTC))
    scheduled = as_scheduled(nightly).next_dagrun_info(last_automated_run_info=None)
    assert scheduled.run_after == datetime.fromisoformat(f"{starts}+00:00")


def test_what_a_person_types_never_meets_a_shell(nightly: Any) -> None:
    for task in nightly.tasks:
        assert "{{" not in task.bash_command
        assert task.env["NIGHTJAR_TRAIN__MODEL"] == "{{ params.model }}"


@pytest.mark.parametrize(
    ("typed", "logical", "after", "night"),
    [
        (None, datetime(2026, 7, 1, 2, tzinfo=UTC), datetime(2026, 7, 1, 2, tzinfo=UTC), "2026-06-30"),
        (None, None, datetime(2026, 7, 1, 9, tzinfo=UTC), "2026-06-30"),
        ("2018-09-24", None, datetime(2026, 7, 1, 9, tzinfo=UTC), "2018-09-24"),
    ],
)
def test_the_night_is_the_one_typed_or_the_last_whole_day(nightly: Any, typed, logical, after, night) -> None:
    context = {
        "params": {"run_date": typed, "model": "popular", "publish": "off", "why": ""},
        "dag_run": SimpleNamespace(logical_date=logical, run_after=after),
        "macros": __import__("airflow.sdk.execution_time.macros", fromlist=["ds_add"]),
    }
    task = nightly.get_task("train")
    rendered = task.render_template(task.env, context, nightly.get_template_env())
    assert rendered["NIGHTJAR_RUN_DATE"] == night
    assert (rendered["NIGHTJAR_TRAIN__MODEL"], rendered["NIGHTJAR_PUBLISH__MODE"]) == ("popular", "off")


@pytest.mark.parametrize("typed", ["2018-9-24", "yesterday", "2018-09-24 && true"])
def test_the_form_refuses_a_malformed_date(nightly: Any, typed: str) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        nightly.params.get_param("run_date").resolve(typed)


def test_every_parameter_explains_itself(nightly: Any) -> None:
    for name in ("run_date", "model", "publish", "why"):
        param = nightly.params.get_param(name)
        assert param.schema["title"]
        assert param.description


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("Bash command failed. The command returned a non-zero exit code 2.", "fail"),
        ("Bash command failed. The command returned a non-zero exit code 1.", "default"),
        ("Bash command failed. The command returned a non-zero exit code 137.", "default"),
        ("Docker container failed: {'StatusCode': 2}", "fail"),
        ("Docker container failed: {'StatusCode': 137}", "default"),
    ],
)
def test_a_refused_stage_is_not_tried_again(airflow_home: Path, message: str, action: str) -> None:
    from stage_tasks import RefusedIsFinal

    assert RefusedIsFinal().evaluate(RuntimeError(message), 1, 3).action.value == action


def test_the_retry_policy_survives_serialization(nightly: Any) -> None:
    assert as_scheduled(nightly).dag_id == nightly.dag_id


def test_the_files_of_the_dags_are_thin() -> None:
    for path in DAGS.glob("*.py"):
        assert len(path.read_text().splitlines()) < (80 if path.name != "stage_tasks.py" else 150), path.name


def test_a_dag_file_parses_in_under_a_second(airflow_home: Path) -> None:
    """Airflow itself aside, which its DAG processor has imported long before."""
    code = (
        "import time, airflow.sdk, airflow.providers.standard.operators.bash\n"
        "begin = time.process_time()\nimport nightly_recommendations\nprint(time.process_time() - begin)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{DAGS}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert float(done.stdout.split()[-1]) < 1.0
