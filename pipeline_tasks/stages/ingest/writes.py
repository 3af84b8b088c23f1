"""The night's raw partitions: frames and their counts in, commits out; what was written is kept for the report."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from pipeline_tasks.contracts import SOURCE_TABLES
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.spark.arrivals import REJECTED
from pipeline_tasks.spark.schemas import schema
from pipeline_tasks.spark.staging import Staging
from pipeline_tasks.stages.ingest.plan import Night

EVENT_ORDER = ("arrival", "user_id", "item_id", "event_time", "event_type", "value")


class Writes:
    """Writes partitions of one run, with the night that wrote them in their facts."""

    def __init__(self, staging: Staging, night: Night) -> None:
        self.staging = staging
        self.night = night
        self.rows: dict[str, int] = {}
        self.outputs: dict[str, str] = {}
        self.reasons: dict[str, Counter[str]] = {}

    def write(self, name: str, day: date, frame: DataFrame, rows: int, **facts: Any) -> None:
        """Commit the typed rows of a table; `rows` says whether there are any, so that Spark may be spared."""
        order = EVENT_ORDER if name == "interactions" else tuple(SOURCE_TABLES[name].names)
        self._commit(name, day, frame.select(*order), schema(SOURCE_TABLES[name]), order, rows, facts)

    def write_rejected(
        self, name: str, day: date, frame: DataFrame, reasons: Iterable[tuple[str, ...]]
    ) -> None:
        """Commit the rejected rows of a table; `reasons` has the codes of each of them."""
        found = list(reasons)
        self.reasons.setdefault(name, Counter()).update(code for codes in found for code in codes)
        order = ("digest", "row", "reason")
        self._commit(f"{name}_rejected", day, frame, REJECTED, order, len(found), {})

    def _commit(
        self,
        table: str,
        day: date,
        frame: DataFrame,
        kind: StructType,
        order: tuple[str, ...],
        rows: int,
        facts: dict[str, Any],
    ) -> None:
        place, facts = layout.raw(table, day), {"night": str(self.night.run_date), **facts}
        if rows:
            commit = self.staging.write(frame.select(*kind.names), place, sort=order, facts=facts)
        else:
            empty = to_arrow_schema(kind).empty_table()
            commit = tables.write_table(self.staging.store, place, empty, facts=facts)
        self.rows[table] = self.rows.get(table, 0) + commit.rows
        self.outputs[place] = commit.digest
