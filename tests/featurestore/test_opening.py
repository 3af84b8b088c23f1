"""One run at a time uses a lake's feature store, and applies all definitions; another waits, and says for whom."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from feast.infra.registry import registry

from pipeline_tasks.contracts import ONLINE_LISTS
from pipeline_tasks.errors import NightjarError
from pipeline_tasks.featurestore import opening
from pipeline_tasks.featurestore.opening import open_feature_store
from pipeline_tasks.settings import Settings

HOLDER = """
import sys
from pathlib import Path
from pipeline_tasks.featurestore.opening import _alone

with _alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def settings(make_settings: Callable[..., Any]) -> Settings:
    made: Settings = make_settings()
    return made


@pytest.fixture
def holder(settings: Settings) -> Iterator["subprocess.Popen[str]"]:
    """A process that uses the store until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(settings.state_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_who_finds_it_used_waits(
    settings: Settings, holder: "subprocess.Popen[str]", capsys: pytest.CaptureFixture[str]
) -> None:
    let_go = threading.Timer(0.5, holder.communicate, ["\n"])
    let_go.start()
    with open_feature_store(settings) as store:
        assert store.list_feature_views()
    said = f"waiting for the feature store in {settings.state_dir}, used by process {holder.pid}\n"
    assert capsys.readouterr().err.count(said) == 1
    let_go.join()


def test_who_waits_too_long_is_told_for_whom(
    settings: Settings, holder: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "WAIT_SECONDS", 0.3)
    told = (
        rf"feature store in {settings.state_dir} is used by process {holder.pid}; waited 0 s \(run it again"
    )
    with pytest.raises(NightjarError, match=told) as found, open_feature_store(settings):
        pass
    assert found.value.exit_code == 1


def test_a_dead_one_is_not_waited_for(
    settings: Settings, holder: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "WAIT_SECONDS", 0.0)
    holder.kill()
    holder.wait()
    with open_feature_store(settings):
        assert (settings.state_dir / "feast.lock").read_text() == f"process {os.getpid()}"


def test_definitions_are_applied_whole_whatever_the_clock_does(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, looks = datetime.now(UTC), count()
    monkeypatch.setattr(registry, "_utc_now", lambda: begun + timedelta(hours=next(looks)))
    with open_feature_store(settings) as store:
        applied = {view.name for view in store.list_all_feature_views()}
        defined = opening.read_definitions(opening.REPOSITORY)
        assert applied == {view.name for view in defined.feature_views}
        assert ONLINE_LISTS.name in applied
