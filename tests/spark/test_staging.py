"""Frames committed to the lake and read back."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipeline_tasks.lake import tables
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.spark.staging import Staging, open_staging
from tests.builders import START
from tests.spark.frames import interactions, rows

DAY = date(2026, 1, 1)


def staging(spark: SparkSession, lake: Any, scratch: Path, files: int = 1) -> Staging:
    scratch.mkdir(exist_ok=True)
    return Staging(lake, spark, scratch, cluster=False, files=files)


def events(spark: SparkSession) -> DataFrame:
    times = [START + timedelta(hours=9 * n) for n in range(8)]
    return interactions(spark, *[{"user_id": f"u{n}", "event_time": at} for n, at in enumerate(times)])


def test_a_frame_comes_back_as_it_was_written(spark: SparkSession, lake: Any, tmp_path: Path) -> None:
    place = staging(spark, lake, tmp_path / "s")
    commit = place.write(events(spark), "t/run_date=2026-01-01", sort=["user_id"], facts={"n": 1})
    assert commit.rows == 8
    found = place.read("t/run_date=2026-01-01", stage="x")
    assert found.schema == events(spark).schema
    assert rows(found) == rows(events(spark))


def test_equal_rows_are_equal_bytes_in_whichever_order_they_come(
    spark: SparkSession, lake: Any, tmp_path: Path
) -> None:
    place = staging(spark, lake, tmp_path / "s")
    first = place.write(events(spark), "t/run_date=2026-01-01", sort=["user_id"])
    backwards = events(spark).orderBy(F.desc("user_id")).repartition(3)
    assert place.write(backwards, "t/run_date=2026-01-01", sort=["user_id"]) == first


def test_files_are_written_by_arrow_whose_bytes_depend_on_rows_alone(
    spark: SparkSession, lake: Any, tmp_path: Path
) -> None:
    commit = staging(spark, lake, tmp_path / "s").write(
        events(spark), "t/run_date=2026-01-01", sort=["user_id"]
    )
    (name,) = commit.files
    metadata = pq.read_metadata(lake.path(f"t/run_date=2026-01-01/{name}"))
    assert metadata.created_by.startswith("parquet-cpp-arrow")


def test_days_are_written_in_one_pass_and_an_empty_one_is_there_too(
    spark: SparkSession, lake: Any, tmp_path: Path
) -> None:
    place = staging(spark, lake, tmp_path / "s")
    dated = events(spark).withColumn("day", F.to_date("event_time"))
    places = {DAY + timedelta(days=n): f"t/run_date={DAY + timedelta(days=n)}" for n in range(4)}
    commits = place.write_days(
        dated, "day", places, sort=["user_id"], facts={"by": "me"}, name="part.parquet"
    )
    assert [commits[day].rows for day in places] == [3, 3, 2, 0]
    assert tables.committed(lake, "t") == list(places)
    for day, partition in places.items():
        assert list(commits[day].files) == ["part.parquet"]
        found = place.read(partition, stage="x")
        assert found.columns == events(spark).columns
        assert rows(found) == rows(dated.where(F.col("day") == F.lit(day)).drop("day"))


@pytest.mark.parametrize("cluster", [False, True])
def test_a_lake_may_lie_in_a_folder_of_any_name(spark: SparkSession, tmp_path: Path, cluster: bool) -> None:
    (tmp_path / "my lake é 1").mkdir()  # which [1] would stand for in a glob
    lake = LocalStore(tmp_path / "my lake é #%20 [1] {a,b} *?\\")
    place = Staging(lake, spark, tmp_path, cluster=cluster, files=2)
    place.write(events(spark), "t/run_date=2026-01-01", sort=["user_id"])
    assert tables.committed(lake, "t") == [DAY]
    assert rows(place.read("t/run_date=2026-01-01", stage="x")) == rows(events(spark))


def test_a_lake_on_s3_is_read_and_written_by_copies(
    spark: SparkSession, s3_lake: Any, make_settings: Any
) -> None:
    settings = make_settings(lake=s3_lake.uri)
    with open_staging(settings, "tests") as place:
        place.write(events(spark), "t/run_date=2026-01-01", sort=["user_id"])
        assert rows(place.read("t/run_date=2026-01-01", stage="x")) == rows(events(spark))
    assert not list((settings.state_dir / "scratch").iterdir())
