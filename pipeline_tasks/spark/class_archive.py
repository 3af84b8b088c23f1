"""An archive of the classes that a session of Spark loads, made once for an environment, with which later ones start faster.

    python -m pipeline_tasks.spark.class_archive

A JVM that is given one maps the classes into memory instead of finding, reading and checking each (class data sharing,
https://openjdk.org/jeps/350). It holds for the very Java and the very jars that it was made with; a JVM that has others
goes without it, by itself. Sessions use the one in the environment's folder where there is one.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipeline_tasks.settings import SparkSettings
from pipeline_tasks.spark.session import CLASS_ARCHIVE, JAVA_OPTIONS, spark_session


def make(target: Path) -> None:
    """Make the archive; raises CalledProcessError, with what Java said, where it was not made."""
    new = target.with_suffix(".new")
    try:
        # Java writes it when it ends, some time after Python: its end is that of what both may say
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, str(new)], capture_output=True, text=True, check=True
        )
        if not new.is_file():
            raise subprocess.CalledProcessError(1, done.args, done.stdout, done.stderr)
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


def load_classes(target: Path) -> None:
    """Do a little of all that stages do, in a session whose Java writes the classes to `target` when it ends."""
    options = f'{JAVA_OPTIONS} "-XX:ArchiveClassesAtExit={target}"'
    settings = SparkSettings(master="local[2]", conf={"spark.driver.extraJavaOptions": options})
    with TemporaryDirectory(prefix="nightjar-classes-") as name:
        folder = Path(name)
        with spark_session(settings, "classes", folder) as spark:
            _work(spark, folder)


def _work(spark: SparkSession, folder: Path) -> None:
    (folder / "events.csv").write_text(
        "".join(f"u{n % 7},i{n},2026-01-01T00:00:{n}Z\n" for n in range(10, 60))
    )
    events = spark.read.csv(str(folder / "events.csv"), schema="user string, item string, time string")
    typed = events.mapInArrow(_as_they_are, events.schema).withColumn("time", F.to_timestamp("time"))
    counts = typed.groupBy("user").agg(
        F.count("*").alias("events"), F.max(F.struct("time", "item")).alias("last")
    )
    typed.join(counts, "user").sort("user", "time").write.parquet(str(folder / "joined"))
    spark.read.parquet(str(folder / "joined")).where("events > 1").toArrow()


def _as_they_are(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    yield from batches


if __name__ == "__main__":
    if len(sys.argv) > 1:
        load_classes(Path(sys.argv[1]))
    else:
        make(CLASS_ARCHIVE)
