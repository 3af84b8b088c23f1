"""Where there is no Java, that is said before Spark looks for it."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import SparkSettings
from pipeline_tasks.spark.session import spark_session


@pytest.mark.parametrize(
    ("java_home", "said"),
    [("/nonexist", "none was found in JAVA_HOME, /nonexist"), ("", "none was found .install")],
)
def test_a_machine_without_java_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, java_home: str, said: str
) -> None:
    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)
    monkeypatch.setenv("JAVA_HOME", java_home)
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(Refused, match=f"Spark needs Java 17 or 21, and {said}"),
        spark_session(SparkSettings(), "test", tmp_path),
    ):
        pass
