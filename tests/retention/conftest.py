"""Lakes of some nights, and settings that keep two."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.lake.store import Store
from pipeline_tasks.settings.retention import NIGHTS
from tests.retention.lakes import (
    SHORT,
    write_night,
)

TWO = {"nights": dict.fromkeys(NIGHTS, 2)}


@pytest.fixture
def settings(make_settings: Callable[..., Any], lake: Store) -> Any:
    """Two nights of every layer stay; a night looks back over as little as it can."""
    return make_settings(**SHORT, retention=TWO)


@pytest.fixture(scope="session")
def eight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A lake of eight nights, each live in its turn, and their versions."""
    root = tmp_path_factory.mktemp("eight")
    store = LocalStore(root / "lake")
    return root / "lake", [write_night(store, root / "files", number) for number in range(1, 9)]


@pytest.fixture
def versions(lake: LocalStore, eight: tuple[Path, list[str]]) -> list[str]:
    """The versions of eight nights; the lake is a copy of theirs."""
    shutil.copytree(eight[0], lake.root)
    return eight[1]
