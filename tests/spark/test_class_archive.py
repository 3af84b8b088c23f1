"""The archive of Spark's classes: a session that has one uses it, and one that another Java made does no harm."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_tasks.spark.session import CLASS_ARCHIVE, JAVA_OPTIONS, java_options
from tests.conftest import CHECKOUT

SESSION = """
import sys
from pathlib import Path
from pipeline_tasks.settings import SparkSettings
from pipeline_tasks.spark import session

session.CLASS_ARCHIVE = Path(sys.argv[1])
with session.spark_session(SparkSettings(master="local[1]"), "test", Path(sys.argv[2])) as spark:
    print(spark.range(10).count(), spark.conf.get("spark.driver.extraJavaOptions"))
"""


def test_a_session_maps_the_environments_archive(spark) -> None:
    if not CLASS_ARCHIVE.is_file():
        pytest.skip(f"set-up has made no {CLASS_ARCHIVE}")
    java = spark._jvm.java.lang.ProcessHandle.current().pid()
    assert str(CLASS_ARCHIVE) in Path(f"/proc/{java}/maps").read_text()


def test_an_archive_that_is_none_is_passed_over_without_a_word(tmp_path: Path) -> None:
    archive = tmp_path / "a blank" / "spark.jsa"
    archive.parent.mkdir()
    archive.write_bytes(b"of another Java" * 1000)
    done = subprocess.run(
        [sys.executable, "-c", SESSION, archive, tmp_path],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("10 ")
    assert f'"-XX:SharedArchiveFile={archive}"' in done.stdout
    assert "archive" not in done.stderr.lower()


def test_without_one_java_starts_as_ever(tmp_path: Path) -> None:
    assert java_options(tmp_path / "spark.jsa") == JAVA_OPTIONS
