"""The DAG's own operators on a real engine: a night that equals the process launcher's, and how tasks end."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.containers.conftest import CHECKOUT, docker
from tests.training_night import NIGHT, write_training_tables

pytestmark = pytest.mark.timeout(1800)  # the first build downloads packages

STAGES = ("train", "evaluate", "recommend")
QUICK = {
    "NIGHTJAR_TRAIN__DIM": "16",
    "NIGHTJAR_TRAIN__EPOCHS": "2",
    "NIGHTJAR_TRAIN__THREADS": "1",
    "NIGHTJAR_TRAIN__DEVICE": "cpu",
    "NIGHTJAR_RECOMMEND__N": "5",
    "NIGHTJAR_RECOMMEND__SPARES": "3",
}
STRANGER = 12345  # a user whom neither this machine nor the image knows


@pytest.fixture(scope="module")
def environment(engine: str, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Quick settings, and an Airflow home of the tests' own; Airflow reads it when it is first imported."""
    with pytest.MonkeyPatch.context() as patch:
        places = {
            "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
            "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
            "DOCKER_HOST": engine,
            "NIGHTJAR_TRAIN__DOCKER__IMAGE": image,
        }
        for name, value in {**QUICK, **places}.items():
            patch.setenv(name, value)
        patch.syspath_prepend(str(CHECKOUT / "dags"))
        yield


def run_task(lake: str, launcher: str, stage: str, model: str = "transformer", **changes: Any) -> Any:
    """Run the operator that the DAG would have for `stage`, as a worker does: rendered, then executed."""
    from airflow.sdk import DAG
    from airflow.sdk.execution_time import macros
    from stage_tasks import stage_task

    from pipeline_tasks import settings

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTJAR_LAKE", lake)
        patch.setenv("NIGHTJAR_TRAIN__LAUNCHER", launcher)
        with DAG("night", schedule=None, start_date=datetime(2020, 1, 1, tzinfo=UTC)):
            task = stage_task(settings.load(), stage)
        assert type(task).__name__ == {"docker": "DockerOperator", "process": "BashOperator"}[launcher]
        for name, value in changes.items():
            setattr(task, name, value)
        context: Any = {
            "params": {"run_date": str(NIGHT), "model": model, "publish": "off", "why": ""},
            "dag_run": SimpleNamespace(logical_date=None, run_after=datetime.now(UTC)),
            "macros": macros,
            "ti": None,
        }
        task.render_template_fields(context)
        return task.execute(context)


def content(lake: Path) -> dict[str, bytes]:
    """Return everything in a lake but records and leases, which have clocks and hosts."""
    files = (path for path in lake.rglob("*") if path.is_file())
    files = (path for path in files if path.relative_to(lake).parts[0] not in ("runs", "leases"))
    return {str(path.relative_to(lake)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def nights(environment: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two lakes of equal training tables after train, evaluate and recommend, by process and by container.

    Where the tests run as root, the container runs as somebody else: that is the harder case.
    """
    from pipeline_tasks.lake.local import LocalStore

    root = tmp_path_factory.mktemp("two lakes")  # its path, with a blank, is not what its URI says
    lakes = {launcher: root / launcher for launcher in ("process", "docker")}
    write_training_tables(LocalStore(lakes["process"]))
    shutil.copytree(lakes["process"], lakes["docker"])
    for stage in STAGES:
        run_task(lakes["process"].as_uri(), "process", stage)
    with pytest.MonkeyPatch.context() as patch:
        if os.getuid() == 0:
            for path in (lakes["docker"], *lakes["docker"].rglob("*")):
                os.chown(path, STRANGER, STRANGER)
            patch.setattr(os, "getuid", lambda: STRANGER)
            patch.setattr(os, "getgid", lambda: STRANGER)
        for stage in STAGES:
            run_task(lakes["docker"].as_uri(), "docker", stage)
    return lakes


def test_the_container_gives_the_same_bytes_as_the_process(nights: dict[str, Path]) -> None:
    by_process, by_container = content(nights["process"]), content(nights["docker"])
    assert sorted(by_container) == sorted(by_process)
    assert [name for name, data in by_process.items() if by_container[name] != data] == []
    for part in ("models/champions/", "staged/top_n/", "staged/similar_items/", "staged/popular/"):
        assert [name for name in by_process if name.startswith(part)], part
    assert any(name.endswith("weights.safetensors") for name in by_process)


def test_what_the_container_writes_belongs_to_who_asked(nights: dict[str, Path]) -> None:
    owner = os.getuid() or STRANGER
    assert {path.stat().st_uid for path in nights["docker"].rglob("*")} == {owner}


@pytest.mark.parametrize("stage", STAGES)
def test_the_container_keeps_the_same_record(nights: dict[str, Path], stage: str) -> None:
    ours, theirs = (
        json.loads((nights[launcher] / "runs" / str(NIGHT) / f"{stage}.json").read_text())
        for launcher in ("process", "docker")
    )
    assert theirs["status"] == "done"
    assert {key: theirs[key] for key in ("settings", "report")} == {
        key: ours[key] for key in ("settings", "report")
    }


def test_a_container_reaches_an_s3_lake_by_the_workers_credentials(
    nights: dict[str, Path], s3_lake: Any
) -> None:
    write_training_tables(s3_lake)
    said = run_task(s3_lake.uri, "docker", "train", "item_knn")
    assert said.startswith(f"train {NIGHT}: item_knn ")
    versions = {path.name for path in (nights["process"] / "models").glob(f"{NIGHT}-*")}
    baselines = {key.split("/")[1] for key in s3_lake.keys(f"models/{NIGHT}-")}
    assert len(baselines) == 2
    assert baselines < versions


def test_a_refused_stage_fails_the_task_for_good(environment: None, tmp_path: Path) -> None:
    from airflow.providers.docker.exceptions import DockerContainerFailedException
    from stage_tasks import RefusedIsFinal

    with pytest.raises(DockerContainerFailedException) as caught:
        run_task(tmp_path.as_uri(), "docker", "train")
    assert any("refused" in line and "run dataset" in line for line in caught.value.logs)
    assert RefusedIsFinal().evaluate(caught.value, 1, 3).action.value == "fail"


@pytest.mark.parametrize("code", [1, 137])
def test_a_failed_or_killed_container_is_tried_again(environment: None, tmp_path: Path, code: int) -> None:
    from airflow.providers.docker.exceptions import DockerContainerFailedException
    from stage_tasks import RefusedIsFinal

    with pytest.raises(DockerContainerFailedException) as caught:
        run_task(
            tmp_path.as_uri(), "docker", "train", entrypoint=["sh", "-c"], command=[f"echo end; exit {code}"]
        )
    assert RefusedIsFinal().evaluate(caught.value, 1, 3).action.value == "default"


def test_a_stage_with_nothing_to_do_is_skipped(environment: None, tmp_path: Path) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException):
        run_task(tmp_path.as_uri(), "docker", "train", entrypoint=["sh", "-c"], command=["exit 99"])


def test_no_container_is_left_behind(nights: dict[str, Path], image: str) -> None:
    deadline = time.monotonic() + 20  # the engine removes them on its own time
    while left := docker("ps", "-aq", "--filter", f"ancestor={image}").stdout:
        assert time.monotonic() < deadline, left
        time.sleep(0.5)
