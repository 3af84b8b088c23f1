"""A command as somebody types it, on the test's lake."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_tasks.__main__ import main
from pipeline_tasks.lake.store import Store

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(
    lake: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Return a function that runs a command on the lake; gives its exit code and all that it said."""
    monkeypatch.setenv("NIGHTJAR_LAKE", lake.uri)
    monkeypatch.setenv("NIGHTJAR_STATE", str(tmp_path / "state"))

    def run(*words: str) -> tuple[int, str]:
        code = main(words)
        said = capsys.readouterr()
        return code, said.out + said.err

    return run
