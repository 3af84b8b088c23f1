"""Settings of a lake, and what a whole night's report.json holds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.lake.store import Store
from pipeline_tasks.reporting import morning
from tests.lists import NIGHT
from tests.reporting.hostile import EVIL
from tests.reporting.report_night import write_whole


@pytest.fixture
def settings(make_settings: Callable[..., Any]) -> Any:
    return make_settings()


@pytest.fixture
def content(lake: Store, settings: Any, tmp_path: Path) -> dict[str, Any]:
    write_whole(lake, settings, tmp_path / "files", {"i1": "Kettle", "i2": EVIL})
    return json.loads(json.dumps(morning.collect(lake, settings, NIGHT).content))
