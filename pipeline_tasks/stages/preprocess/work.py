"""What the parts of preprocess share: a night's lake, source and seed in; committed tables out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.contracts import Contract
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.tables import Commit
from pipeline_tasks.quality.predicates import REASONS
from pipeline_tasks.settings import Settings, Source
from pipeline_tasks.spark import cleaning
from pipeline_tasks.spark.missing import REASON
from pipeline_tasks.spark.staging import Staging

KEPT = StorageLevel.MEMORY_AND_DISK


@dataclass
class Work:
    """One night's run. `commits` and `inputs` grow as tables are written and read."""

    settings: Settings
    source: Source
    run_date: date
    staging: Staging
    commits: dict[str, Commit] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)

    def before(self, table: str) -> Commit | None:
        """Return the commit of the table's newest night before this one."""
        newest = tables.newest_before(self.staging.store, table, self.run_date)
        if newest is None:
            return None
        place = layout.night(table, newest)
        commit = tables.require_commit(self.staging.store, place, "preprocess")
        self.inputs[place] = commit.digest
        return commit

    def read_before(self, table: str) -> DataFrame | None:
        """Return the rows of the table's newest night before this one."""
        newest = tables.newest_before(self.staging.store, table, self.run_date)
        return self.staging.read(layout.night(table, newest), stage="preprocess") if newest else None

    def write(
        self,
        table: str,
        frame: DataFrame,
        sort: Sequence[str],
        after: date | None = None,
        facts: dict[str, Any] | None = None,
    ) -> Commit:
        """Commit the night's partition of a table."""
        place = layout.night(table, self.run_date)
        commit = self.staging.write(frame, place, sort=sort, after=after, facts=facts)
        self.commits[place] = commit
        return commit

    def quarantine(self, contract: Contract, frame: DataFrame) -> Commit:
        """Commit the rows that cleaning takes out of a table, with their `reason` as a list of one."""
        told = frame.select(*contract.names, F.array(REASON).alias(REASONS))
        return self.write(f"quarantine/{contract.name}_cleaning", told, [*contract.names, REASONS])

    def strategies(self, contract: Contract) -> cleaning.Strategies:
        return self.source.missing.get(contract.name, {})

    def scales(self, contract: Contract) -> dict[str, str]:
        return dict(self.source.scale.get(contract.name, {}))
