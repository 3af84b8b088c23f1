"""The lake as Spark frames: committed partitions in, committed partitions out.

Local Spark reads a local lake in place and works on scratch copies of an S3 one (the pyspark wheel has no
S3 connector); a cluster reads and writes s3a:// itself. All of them commit alike, by `_commit.json`.
"""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from pipeline_tasks.lake import tables
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.lake.tables import Commit
from pipeline_tasks.scratch import scratch_folder
from pipeline_tasks.settings import Settings
from pipeline_tasks.spark.session import spark_session

# how Spark writes a file that Arrow writes anew
PASSING = {"compression": "none", "parquet.enable.dictionary": "false"}


@contextmanager
def open_staging(settings: Settings, name: str) -> Iterator["Staging"]:
    """Give the lake of `settings` with a Spark session for the stage called `name`."""
    store = open_store(settings.lake_uri)
    with scratch_folder(settings) as scratch, spark_session(settings.spark, name, scratch) as spark:
        yield Staging(
            store, spark, scratch, cluster=not settings.spark.is_local, files=settings.spark.output_files
        )


class Staging:
    """Committed tables of one lake for one stage's Spark session."""

    def __init__(
        self, store: Store, spark: SparkSession, scratch: Path, *, cluster: bool, files: int
    ) -> None:
        self.store = store
        self.spark = spark
        self.scratch = scratch
        self._cluster = cluster
        self._files = files

    def read(self, *partitions: str, stage: str, schema: StructType | None = None) -> DataFrame:
        """Return the rows of committed partitions of one table; Refused where `stage` has not made one."""
        commits = dict(zip(partitions, tables.read_commits(self.store, partitions, stage), strict=True))
        reader = self.spark.read if schema is None else self.spark.read.schema(schema)
        return reader.parquet(*map(literally, self._paths(commits)))

    def write(
        self,
        frame: DataFrame,
        partition: str,
        *,
        sort: Sequence[str],
        after: date | None = None,
        facts: dict[str, Any] | None = None,
        name: str | None = None,
    ) -> Commit:
        """Commit the frame as the partition's whole content, sorted by `sort` across its files.

        `sort` must order the rows totally, or equal input need not give equal bytes.
        """
        files = 1 if name else self._files
        parts = frame.repartition(1) if files == 1 else frame.repartitionByRange(files, *sort)
        ordered = parts.sortWithinPartitions(*sort)
        attempt = f"_attempt-{uuid4().hex}"
        if self._cluster:
            return self._commit_in_place(ordered, partition, attempt, after, facts, name)
        folder = self.scratch / attempt
        ordered.write.options(**PASSING).parquet(str(folder))
        commit = self._commit_local(folder, partition, after, facts, name)
        shutil.rmtree(folder)
        return commit

    def write_days(
        self,
        frame: DataFrame,
        day: str,
        partitions: Mapping[date, str],
        *,
        sort: Sequence[str],
        facts: dict[str, Any],
        name: str,
    ) -> dict[date, Commit]:
        """Commit the rows of each date in the column `day` as its partition, all made in one pass.

        Each is one file called `name`, sorted by `sort`, without the column `day`.
        """
        if self._cluster:
            frame = frame.persist()
            return {
                each: self.write(
                    frame.where(F.col(day) == F.lit(each)).drop(day), place, sort=sort, facts=facts, name=name
                )
                for each, place in partitions.items()
            }
        folder = self.scratch / f"_attempt-{uuid4().hex}"
        ordered = frame.repartition(day).sortWithinPartitions(day, *sort)
        ordered.write.options(**PASSING).partitionBy(day).parquet(str(folder))
        commits = {}
        for each, place in partitions.items():
            of_day = folder / f"{day}={each}"
            if of_day.exists():
                commits[each] = self._commit_local(of_day, place, None, facts, name)
            else:
                commits[each] = self.write(frame.drop(day).limit(0), place, sort=sort, facts=facts, name=name)
        shutil.rmtree(folder)
        return commits

    def _paths(self, commits: Mapping[str, Commit]) -> list[str]:
        if not self._cluster:
            return [str(path) for path in tables.files_of(self.store, commits, self.scratch / "lake")]
        root = self._spark_uri()
        return [
            f"{root}/{partition}/{name}" for partition, commit in commits.items() for name in commit.files
        ]

    def _commit_local(
        self, folder: Path, partition: str, after: date | None, facts: dict[str, Any] | None, name: str | None
    ) -> Commit:
        written = [rewritten(path) for path in sorted(folder.glob("part-*.parquet"))]
        rows = sum(pq.read_metadata(path).num_rows for path in written)
        return tables.write_files(
            self.store, partition, written, rows=rows, after=after, facts=facts, name=name
        )

    def _commit_in_place(
        self,
        frame: DataFrame,
        partition: str,
        attempt: str,
        after: date | None,
        facts: dict[str, Any] | None,
        name: str | None,
    ) -> Commit:
        """Let the executors write beside the partition's old files, then commit the new ones."""
        frame.write.parquet(f"{self._spark_uri()}/{partition}/{attempt}")
        digests, rows = {}, 0
        for key in self.store.keys(f"{partition}/{attempt}/part-"):
            local = self.scratch / "digest.parquet"
            self.store.download(key, local)
            if name:
                self.store.upload(local, f"{partition}/{name}")
            digests[name or key.removeprefix(f"{partition}/")] = tables.sha256_of(local)
            rows += pq.read_metadata(local).num_rows
        commit = Commit(rows, digests, str(after) if after else None, facts or {})
        tables.commit_partition(self.store, partition, commit)
        return commit

    def _spark_uri(self) -> str:
        """Return the lake's root as Hadoop takes it, which decodes no %20."""
        if isinstance(self.store, LocalStore):
            return f"file://{self.store.root}"
        return self.store.uri.replace("s3://", "s3a://", 1)


def literally(path: str) -> str:
    """Return what Hadoop, which takes paths for globs, reads as this path and no other."""
    return re.sub(r"[][{}*?\\]", r"\\\g<0>", path)


def rewritten(path: Path) -> Path:
    """Write a Parquet file of Spark's anew by Arrow, so that equal rows are equal bytes; return its path.

    Spark's writer lists the encodings of a column in an order that differs from process to process.
    """
    target = path.with_suffix(".arrow")
    with pq.ParquetFile(path) as file, pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as out:
        for group in range(file.num_row_groups):
            out.write_table(file.read_row_group(group))
    return target
