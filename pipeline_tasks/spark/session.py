"""The Spark session of a stage: settings in, a session out, stopped at the end."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import SparkSettings

# What every session needs so that the same input gives the same bytes, wherever it runs.
ALWAYS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # a source's columns are told apart as its files tell them
    "spark.sql.caseSensitive": "true",
    # without it every call that builds a column also looks up the line that made it
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}
# A session on one machine: no page, nothing that listens beyond loopback, no waiting for a second core, and
# no planning anew after each shuffle, which made two jobs of one.
LOCAL = {
    "spark.sql.adaptive.enabled": "false",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.files.openCostInBytes": "0",
}
# The plain compiler alone: on one machine a night is short, and half of its time went into optimizing code. With it
# Java reserves too little for compiled code: a session that makes many plans fills it, and goes on uncompiled.
# `spark.conf` says otherwise: { "spark.driver.extraJavaOptions" = "-XX:+UseParallelGC -Xss8m" }
JAVA_OPTIONS = "-XX:+UseParallelGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -Xss8m"
# made by class_archive, as set-up does
CLASS_ARCHIVE = Path(sys.prefix) / "spark.jsa"


@contextmanager
def spark_session(settings: SparkSettings, name: str, scratch: Path) -> Iterator[SparkSession]:
    """Give a session called `name`; one that is active already is used and left running.

    Raises Refused where there is no Java.
    """
    running = SparkSession.getActiveSession()
    if running is not None:
        yield running
        return
    _require_java()
    session = _build(settings, name, scratch)
    try:
        yield session
    finally:
        session.stop()


def _require_java() -> None:
    """Raise Refused where there is no Java as Spark looks for it: in JAVA_HOME where that is set, else on the path."""
    home = os.environ.get("JAVA_HOME")
    if home and not shutil.which(str(Path(home, "bin", "java"))):
        raise Refused(
            f"Spark needs Java 17 or 21, and none was found in JAVA_HOME, {home}",
            "let it name Java's folder, in which bin/java lies, or unset it",
        )
    if not home and not shutil.which("java"):
        raise Refused("Spark needs Java 17 or 21, and none was found", "install openjdk-17-jre-headless")


def _build(settings: SparkSettings, name: str, scratch: Path) -> SparkSession:
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    conf = {
        **ALWAYS,
        **(LOCAL if settings.is_local else {}),
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.extraJavaOptions": java_options(CLASS_ARCHIVE),
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.local.dir": str(scratch / "spark"),
        **settings.conf,
    }
    builder = SparkSession.Builder().appName(f"nightjar-{name}").master(settings.master)
    for key, value in conf.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def java_options(archive: Path) -> str:
    """Return the JVM's options, with the archive of Spark's classes where there is one."""
    # one that another Java made is passed over without a word
    return (
        f'{JAVA_OPTIONS} "-XX:SharedArchiveFile={archive}" -Xlog:cds*=off'
        if archive.is_file()
        else JAVA_OPTIONS
    )
