"""Who changes what is live does it alone: it waits for another, and stops once it has lost its turn."""

from argparse import Namespace
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks import releasing
from pipeline_tasks.commands import rollback
from pipeline_tasks.lake.lease import Held, Lease, Lost, hold
from pipeline_tasks.lake.store import Store
from pipeline_tasks.stages import check, publish
from tests.failing_store import content
from tests.lists import NIGHT
from tests.publishing.going_live import go_live
from tests.stages.staged_night import SETTINGS, write_source, write_staged

TONIGHT = NIGHT + timedelta(days=2)
ACTS: dict[str, Callable[[Any], object]] = {
    "publish": lambda settings: publish.run(settings, TONIGHT),
    "release": lambda settings: releasing.release(settings, None, "looked at it"),
    "rollback": lambda settings: rollback.run(settings, Namespace(to=None, why="bad lists")),
}


@pytest.fixture
def settings(lake: Store, make_settings: Callable[..., Any], tmp_path: Path) -> Any:
    """Settings of a lake of two nights that were live, and one that is checked; whoever waits does not wait long."""
    for days in range(2):
        go_live(lake, tmp_path, days)
    write_source(tmp_path / "data")
    write_staged(lake, tmp_path / "staged", TONIGHT)
    patience = {"versions_wait_seconds": 0.2, "expires_seconds": 0.1}
    settings = make_settings(**SETTINGS, lease=patience, check={"stops": []})
    check.run(settings, TONIGHT)
    return settings


@pytest.mark.parametrize("act", ACTS)
def test_nothing_changes_while_somebody_else_does(
    act: str, lake: Store, settings: Any, make_settings: Callable[..., Any]
) -> None:
    before = content(lake)
    with (
        hold(lake, "versions", make_settings().lease, "a rollback by ann"),
        pytest.raises(Held, match="'versions' is held by a rollback by ann"),
    ):
        ACTS[act](settings)
    assert content(lake) == before
    ACTS[act](settings)
    assert content(lake) != before


@pytest.mark.parametrize("act", ACTS)
def test_who_has_lost_its_turn_changes_nothing(
    act: str, lake: Store, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def require(self: Lease, by: Store | None = None) -> None:
        if self.name == "versions":
            raise Lost("another has taken over")

    monkeypatch.setattr(Lease, "require", require)
    before = content(lake)
    with pytest.raises(Lost):
        ACTS[act](settings)
    assert content(lake) == before
