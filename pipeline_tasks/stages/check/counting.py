"""The final files and what they must agree with in; what breaks a rule, and how they differ from the live ones, out."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from pipeline_tasks.dataset.engine import define, open_engine
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Missing
from pipeline_tasks.publishing import health, log, versions
from pipeline_tasks.publishing.comparison import Difference, compare
from pipeline_tasks.publishing.health import Finding
from pipeline_tasks.publishing.log import Entry
from pipeline_tasks.publishing.rules import Night, Violations, violations
from pipeline_tasks.settings import Settings, night_end
from pipeline_tasks.spark.staging import Staging
from pipeline_tasks.stages.check.final import Final

LIVE = "live_top_n"


@dataclass(frozen=True)
class Counted:
    """What breaks the rules, what the health checks found, and what changed since the version that is `live`.

    `alone` says why there is nothing to compare with where something is live.
    """

    violations: list[Violations]
    findings: list[Finding]
    live: str | None
    difference: Difference | None
    alone: str | None


def count(
    staging: Staging, settings: Settings, run_date: date, final: Final, items: pa.Table, model: str
) -> Counted:
    """Count in the final files as they are here; `items` (item_id, item_index, available, first_seen) are known."""
    night = Night(
        n=final.n,
        cutoff=night_end(run_date),
        files=len(final.files["top_n"]),
        exclude_seen=settings.recommend.exclude_seen,
        shortfall_budget=settings.check.shortfall_budget,
    )
    live = log.newest_before(staging.store, run_date)
    with open_engine(staging.scratch, settings.spark.driver_memory) as engine:
        for table, files in final.files.items():
            engine.read_parquet([str(path) for path in files], filename=True).create_view(table)
        for table in ("users", "sequences"):
            partition = layout.night(f"training/{table}", run_date)
            define(engine, table, tables.local_files(staging.store, partition, "dataset", staging.scratch))
        engine.register("items", items)
        found = violations(engine, night)
        manifest, alone = _define_live(engine, staging, live)
        same = bool(manifest) and manifest["model"]["name"] == model
        difference = compare(engine, LIVE, "top_n") if manifest else None
        measured = health.measure(engine, final.n, "top_n", LIVE if manifest else None, difference, same=same)
    limits = settings.check.limits.model_dump()
    version = live.version if live else None
    findings = health.judged(measured, limits, settings.check.stops, version)
    return Counted(found, findings, version if difference else None, difference, alone)


def _define_live(
    engine: duckdb.DuckDBPyConnection, staging: Staging, live: Entry | None
) -> tuple[dict[str, Any], str | None]:
    """Define the view of the live version's top_n; return its manifest, empty with the reason where it has gone."""
    if live is None:
        return {}, None
    try:
        manifest = versions.read_manifest(staging.store, live.version, live.manifest_sha256)
        files = versions.local_files(staging.store, live.version, manifest, "top_n", staging.scratch / "live")
        define(engine, LIVE, files)
    except (Refused, Missing, duckdb.Error) as error:
        return {}, f"no comparison with {live.version}: {error}"
    return manifest, None
