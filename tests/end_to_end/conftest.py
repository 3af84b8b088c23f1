"""A small shop with planted signal, and whole nights over it."""

import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

END = date(2026, 6, 28)
SECOND = date(2026, 6, 29)
LAST = date(2026, 6, 30)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample shop, small; its last two days are left for nights after END."""
    from pipeline_tasks.sample import write_sample

    folder = tmp_path_factory.mktemp("shop") / "shop"
    write_sample(folder, users=150, items=80, days=30, seed=7, images=True, end=LAST)
    return folder


@pytest.fixture(scope="session")
def quick() -> dict[str, Any]:
    """Settings that keep a night short without leaving anything out."""
    return {
        "features": {"snapshots": 4},
        "train": {"epochs": 2, "dim": 16, "heads": 2},
        "recommend": {"n": 10, "spares": 10, "files": 2},
    }


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory, shop: Path, quick: dict[str, Any], spark: Any) -> Any:
    """A lake after two nights: its settings, its store and both nights' exit codes."""
    from pipeline_tasks import settings
    from pipeline_tasks.lake import records
    from pipeline_tasks.lake.local import LocalStore
    from pipeline_tasks.running import run_stage

    root = tmp_path_factory.mktemp("nights")
    loaded = settings.load(lake=(root / "lake").as_uri(), state=str(root / "state"), data=str(shop), **quick)
    codes = {
        night: {stage: run_stage(loaded, stage, night) for stage in records.STAGES} for night in (END, SECOND)
    }
    return loaded, LocalStore(root / "lake"), codes


@pytest.fixture
def run_night(spark: Any) -> Callable[..., dict[str, int]]:
    """Return a function that runs stages of a night in this process, with the tests' Spark session."""
    from pipeline_tasks.lake.records import STAGES
    from pipeline_tasks.running import run_stage

    def run(settings: Any, night: date, stages: tuple[str, ...] = STAGES) -> dict[str, int]:
        return {stage: run_stage(settings, stage, night) for stage in stages}

    return run


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
