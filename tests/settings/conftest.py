"""A settings file of the test's own."""

from pathlib import Path

import pytest


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file of the test's own."""
    path = tmp_path / "nightjar.toml"
    monkeypatch.setenv("NIGHTJAR_CONFIG", str(path))
    return path
