"""An Airflow home, and the nightly DAG."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.dags.loading import DAGS, load


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An Airflow home of the tests' own; Airflow reads these variables when it is first imported."""
    home = tmp_path_factory.mktemp("airflow")
    os.environ.update(
        AIRFLOW_HOME=str(home), AIRFLOW__CORE__LOAD_EXAMPLES="False", AIRFLOW__CORE__UNIT_TEST_MODE="True"
    )
    sys.path.insert(0, str(DAGS))
    return home


@pytest.fixture
def nightly(airflow_home: Path) -> Any:
    return load("nightly_recommendations")
