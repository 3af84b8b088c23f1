"""What tests of stages share: a night whose lists are staged by rules, a small one to be checked, and one that is live."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.stages import evaluate, publish, recommend, train
from tests import lists
from tests.stages.published_night import write_checked, write_records
from tests.stages.rules_night import LISTS, QUICK, write_world
from tests.stages.staged_night import SETTINGS, write_source, write_staged
from tests.training_night import NIGHT


@pytest.fixture
def ruled_night(make_settings: Callable[..., Any], lake: Store) -> Callable[..., Any]:
    """Return a function that stages a night's lists by rules, and gives settings and the stage's report."""

    def night(rules: dict[str, Any], run_date: date = NIGHT, **lists: Any) -> tuple[Any, Any]:
        settings = make_settings(**QUICK, recommend={**LISTS, **lists}, rules=rules)
        if not lake.exists(f"{layout.night('training/items', run_date)}/_commit.json"):
            write_world(lake, run_date)
            for stage in (train, evaluate):
                stage.run(settings, run_date)
        return settings, recommend.run(settings, run_date)

    return night


@pytest.fixture
def settings_of(make_settings: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Return a function that gives settings of a lake whose night has been recommended."""

    def settings_of(store: Store, *gone: dict[str, Any], **overrides: Any) -> Any:
        write_source(tmp_path / "data", gone)
        write_staged(store, tmp_path / "staged")
        return make_settings(lake=store.uri, **{**SETTINGS, **overrides})

    return settings_of


@pytest.fixture
def live(lake: Store, make_settings: Callable[..., Any], tmp_path: Path) -> str:
    """A night that went live, its version."""
    verdict = write_checked(lake, tmp_path / "version")
    publish.run(make_settings(), lists.NIGHT)
    write_records(lake)
    return verdict.version
