"""A stage that does what a test says, in the place of `train`."""

import sys
from datetime import date
from types import ModuleType
from typing import Any

import pytest

from pipeline_tasks.lake.records import Report

D = date(2026, 6, 30)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch):
    """Put a function in the place of the stage `train`."""

    def put(run: Any) -> None:
        module = ModuleType("pipeline_tasks.stages.train")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pipeline_tasks.stages.train", module)

    return put


def raising(error: Exception):
    def run(settings: Any, run_date: date) -> Report:
        raise error

    return run
