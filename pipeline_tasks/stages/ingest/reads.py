"""The source's tables as typed frames: declarations and layouts in, every row of a table out."""

from dataclasses import dataclass

from pyspark.sql import DataFrame

from pipeline_tasks.settings import Settings
from pipeline_tasks.sources import Declared, Layout
from pipeline_tasks.spark.reading import spark_paths, typed_table
from pipeline_tasks.spark.staging import Staging


@dataclass(frozen=True)
class Reads:
    """How this run reads its source."""

    settings: Settings
    staging: Staging
    parts: dict[str, Declared]
    looked: dict[str, list[Layout]]

    def typed(self, name: str) -> DataFrame:
        """Return every row of the table, typed by its contract, with `row`, `reason` and `reasons`."""
        part, looked = self.parts[name], self.looked[name]
        uris = [uri for each in looked for uri in each.files]
        cluster = not self.settings.spark.is_local
        paths = spark_paths(part, uris, self.staging.scratch, cluster=cluster)
        return typed_table(self.staging.spark, part, looked, paths)
