"""The README stays true: its settings table is made from the settings, and its examples run as they stand."""

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.contracts import PUBLISHED_TABLES
from pipeline_tasks.publishing import log
from pipeline_tasks.settings.table import markdown
from tests.test_reader import go_live

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_settings_table_is_the_settings() -> None:
    assert markdown() in README


def test_every_published_column_is_explained() -> None:
    for contract in PUBLISHED_TABLES.values():
        for column in contract.columns:
            assert f"| `{column.name}` | {column.type} | {column.doc} |" in README


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (Path(__file__).resolve().parent.parent / target).exists(), target


@pytest.fixture
def published(lake: Any, tmp_path: Path) -> Path:
    """A local lake with a version that is live."""
    go_live(lake, tmp_path / "files", {"ann": ["i1", "i2"], "bob": ["i2", "i3"]})
    log.refresh_current(lake)
    return tmp_path / "lake"


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_runs(number: int, published: Any, spark: Any) -> None:
    code = EXAMPLES[number].replace("/srv/nightjar/lake", str(published))
    assert str(published) in code
    exec(compile(code, f"README example {number}", "exec"), {})
