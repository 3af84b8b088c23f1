"""Three versions that went live."""

from pathlib import Path

import pytest

from pipeline_tasks.lake.store import Store
from tests.publishing.going_live import go_live


@pytest.fixture
def three(either_lake: Store, tmp_path: Path) -> list[str]:
    return [go_live(either_lake, tmp_path, days) for days in range(3)]
