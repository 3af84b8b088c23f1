"""The final files and what they must agree with in; what breaks a rule, and how they differ from the live ones, out."""

from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from pipeline_tasks.dataset.engine import define, open_engine
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Missing
from pipeline_tasks.publishing import health, log, versions
from pipeline_tasks.publishing.comparison import compare
from pipeline_tasks.publishing.difference import Difference
from pipeline_tasks.publishing.health import Finding
from pipeline_tasks.publishing.list_arrays import Codes, ListArrays
from pipeline_tasks.publishing.listed import define_facts, read_files
from pipeline_tasks.publishing.log import Entry
from pipeline_tasks.publishing.refill import LISTS
from pipeline_tasks.publishing.rules import Night, Violations, violations
from pipeline_tasks.settings import night_end
from pipeline_tasks.settings.rules import LIST_TABLES
from pipeline_tasks.stages.check.final import Final
from pipeline_tasks.stages.check.ruled import Ruled, share_unkept
from pipeline_tasks.stages.check.work import Work

LIVE = "live_top_n"


@dataclass(frozen=True)
class Counted:
    """What breaks the rules, what the health checks found, and what changed since the version that is `live`.

    `rules` is what the declared rules came to, `warnings` say which of them have no effect; `alone` says why there is nothing to compare with where something is live.
    """

    violations: list[Violations]
    findings: list[Finding]
    live: str | None
    difference: Difference | None
    alone: str | None
    rules: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def count(work: Work, final: Final, items: pa.Table, model: str, ruled: Ruled | None = None) -> Counted:
    """Count in the final files as they are here; `items` (item_id, item_index, available, first_seen) are known."""
    settings = work.settings
    night = Night(
        n=final.n,
        cutoff=night_end(work.run_date),
        files=len(final.files["top_n"]),
        exclude_seen=settings.recommend.exclude_seen or bool(settings.rules.seen),
        shortfall_budget=settings.check.shortfall_budget,
        ruled=ruled is not None,
        caps={table: settings.rules.cap(table) for table in LIST_TABLES},
    )
    live = log.newest_before(work.store, work.run_date)
    with open_engine(work.scratch, settings.spark.driver_memory) as engine:
        for table, files in final.files.items():
            engine.read_parquet([str(path) for path in files], filename=True).create_view(table)
        for table in ("users", "sequences"):
            partition = layout.night(f"training/{table}", work.run_date)
            view = table if table == "users" or not settings.rules.seen else "histories"
            define(engine, view, tables.local_files(work.store, partition, "dataset", work.scratch))
        engine.register("items", ruled.attributed(items) if ruled else items)
        if ruled:
            ruled.define(engine)
        found, listed = violations(engine, night, final.files)
        if listed is None:
            return Counted(found, [], None, None, None)
        kept, warnings = (ruled.counted(engine, night), ruled.warnings(engine)) if ruled else ({}, [])
        manifest, before, alone = _define_live(engine, work, live, listed.codes)
        same = bool(manifest) and manifest["model"]["name"] == model
        difference = compare(before, listed.parts["top_n"], listed.codes) if manifest else None
        end = int(night.cutoff.timestamp())
        measured = health.measure(
            engine, final.n, "top_n", LIVE if manifest else None, difference, end=end, same=same
        )
    if ruled:
        measured["rules_unkept"] = round(share_unkept(kept), 6)
    limits = settings.check.limits.model_dump()
    version = live.version if live else None
    findings = health.judged(measured, limits, settings.check.stops, version)
    return Counted(found, findings, version if difference else None, difference, alone, kept, warnings)


def _define_live(
    engine: duckdb.DuckDBPyConnection, work: Work, live: Entry | None, codes: Codes
) -> tuple[dict[str, Any], list[ListArrays], str | None]:
    """Define the live version's top_n; return its manifest and lists, nothing with the reason where it has gone."""
    if live is None:
        return {}, [], None
    try:
        manifest = versions.read_manifest(work.store, live.version, live.manifest_sha256)
        files = versions.local_files(work.store, live.version, manifest, "top_n", work.scratch / "live")
        define(engine, LIVE, files)
        lists = read_files(files, LISTS["top_n"], codes)
    except (Refused, Missing, duckdb.Error, pa.ArrowException) as error:
        return {}, [], f"no comparison with {live.version}: {error}"
    define_facts(engine, LIVE, LISTS["top_n"], lists, codes)
    return manifest, lists, None
