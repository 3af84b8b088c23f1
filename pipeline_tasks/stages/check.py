"""Staged lists in; the night's final files, their manifest and the verdict on them out.

Availability is read anew, and the lists are filtered and refilled. Then the very files that consumers will
read are judged; `publish` lets only a version live that passed.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame

from pipeline_tasks.contracts import PUBLISHED_TABLES
from pipeline_tasks.dataset.engine import define, open_engine
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store
from pipeline_tasks.lake.tables import Commit
from pipeline_tasks.publishing import availability, health, log, versions
from pipeline_tasks.publishing.judge import judge
from pipeline_tasks.publishing.refill import LISTS, Refilled, refill_file
from pipeline_tasks.publishing.rules import Night, Violations, violations
from pipeline_tasks.publishing.versions import Manifest, Verdict
from pipeline_tasks.quality.failures import Failure
from pipeline_tasks.settings import Settings, night_end
from pipeline_tasks.spark.staging import Staging, open_staging

STAGED = "staged"


@dataclass(frozen=True)
class Final:
    """The final files by table, and what became of each table's rows."""

    n: int
    files: dict[str, Sequence[Path]]
    counts: dict[str, Refilled]


def run(settings: Settings, run_date: date) -> Report:
    """Write the night's version and judge it; raises Refused, naming the worst broken rule."""
    with open_staging(settings, "check") as staging:
        store = staging.store
        staged = {
            table: tables.require_commit(store, layout.night(f"{STAGED}/{table}", run_date), "recommend")
            for table in PUBLISHED_TABLES
        }
        known = tables.read_table(
            store, layout.night("training/items", run_date), "dataset", ["item_id", "item_index"]
        )
        items = availability.read_anew(staging, settings, known, night_end(run_date))
        gone = items.filter(pc.invert(items["available"]))["item_id"].combine_chunks()
        final = _finish(staging, settings, run_date, staged, gone)
        stock = availability.snapshot(gone.to_pylist(), items.num_rows)
        facts = _facts(settings, run_date, staged["top_n"], final, stock)
        manifest = versions.describe(run_date, final.files, facts)
        new = versions.upload(store, manifest, final.files)
        found = _violations(staging, settings, run_date, final, items)
        failures, judged = judge(_frames(staging, settings, manifest, final), found)
        verdict = _verdict(store, run_date, manifest, staged, failures)
        versions.write_verdict(store, run_date, verdict)
    if failures:
        more = f" (and {len(failures) - 1} more rules are broken)" if len(failures) > 1 else ""
        raise Refused(
            f"version {manifest.version} breaks its contract: {failures[0]}{more}",
            f"it stays unpublished; all broken rules are in {store.uri}/{layout.verdict(run_date)}",
        )
    return _report(run_date, manifest, staged, final, verdict, judged, new)


def _finish(
    staging: Staging, settings: Settings, run_date: date, staged: dict[str, Commit], gone: pa.Array
) -> Final:
    """Write the final files, one for each staged file, of which one at a time is here."""
    places = {
        "top_n": staged["top_n"].facts["n"],
        "similar_items": settings.recommend.similar,
        "popular": settings.recommend.popular,
    }
    files: dict[str, Sequence[Path]] = {}
    counts = {}
    copy = staging.scratch / "staged.parquet"
    for table, commit in staged.items():
        folder = staging.scratch / "final" / table
        folder.mkdir(parents=True)
        files[table] = [folder / f"part-{number:05d}.parquet" for number in range(len(commit.files))]
        counts[table] = Refilled()
        for name, target in zip(commit.files, files[table], strict=True):
            staging.store.download(f"{layout.night(f'{STAGED}/{table}', run_date)}/{name}", copy)
            _require_columns(table, copy)
            counts[table] += refill_file(copy, target, LISTS[table], gone, places[table])
            copy.unlink()
    return Final(places["top_n"], files, counts)


def _require_columns(table: str, path: Path) -> None:
    found, named = pq.read_schema(path).names, PUBLISHED_TABLES[table].names
    if found != named:
        raise Refused(
            f"{STAGED}/{table} has the columns {', '.join(found)}, its contract {', '.join(named)}",
            "run recommend again",
        )


def _facts(
    settings: Settings, run_date: date, top_n: Commit, final: Final, stock: dict[str, Any]
) -> dict[str, Any]:
    """Return what makes a version besides its files; nothing of clock, host, place or launcher."""
    made = top_n.facts
    return {
        "n": final.n,
        "users": final.counts["top_n"].lists,
        "data_cutoff": night_end(run_date).isoformat(),
        "model": {
            "name": made["model_name"],
            "version": made["model_version"],
            "cutoff": made["model_cutoff"],
            "trials": made["trials"],
        },
        "settings": settings.results_digest(),
        "availability": stock,
    }


def _violations(
    staging: Staging, settings: Settings, run_date: date, final: Final, items: pa.Table
) -> list[Violations]:
    """Count what breaks the rules, in the final files as they are here."""
    night = Night(
        n=final.n,
        cutoff=night_end(run_date),
        files=len(final.files["top_n"]),
        exclude_seen=settings.recommend.exclude_seen,
        shortfall_budget=settings.check.shortfall_budget,
    )
    with open_engine(staging.scratch, settings.spark.driver_memory) as engine:
        for table, files in final.files.items():
            engine.read_parquet([str(path) for path in files], filename=True).create_view(table)
        for table in ("users", "sequences"):
            partition = layout.night(f"training/{table}", run_date)
            define(engine, table, tables.local_files(staging.store, partition, "dataset", staging.scratch))
        engine.register("items", items)
        return violations(engine, night)


def _frames(staging: Staging, settings: Settings, manifest: Manifest, final: Final) -> dict[str, DataFrame]:
    """Return the final tables in Spark: a cluster reads them in the lake, local Spark as they are here."""
    folder = f"{staging.store.uri}/{layout.version(manifest.version)}".replace("s3://", "s3a://", 1)
    here = settings.spark.is_local
    return {
        table: staging.spark.read.parquet(
            *(str(path) if here else f"{folder}/{table}/{path.name}" for path in files)
        )
        for table, files in final.files.items()
    }


def _verdict(
    store: Store, run_date: date, manifest: Manifest, staged: dict[str, Commit], failures: list[Failure]
) -> Verdict:
    return Verdict(
        version=manifest.version,
        manifest_sha256=manifest.sha256,
        passed=not failures,
        staged={f"{STAGED}/{table}": commit.digest for table, commit in staged.items()},
        failures=[{**asdict(failure), "reason": str(failure)} for failure in failures],
        warnings=_warnings(store, run_date, manifest),
    )


def _warnings(store: Store, run_date: date, manifest: Manifest) -> list[str]:
    before = log.newest_before(store, run_date)
    if before is None:
        return health.warnings(manifest.content, None)
    try:
        earlier = versions.read_manifest(store, before.version, before.manifest_sha256)
    except Refused as error:
        return [*health.warnings(manifest.content, None), f"no comparison with {before.version}: {error}"]
    return health.warnings(manifest.content, earlier)


def _report(
    run_date: date,
    manifest: Manifest,
    staged: dict[str, Commit],
    final: Final,
    verdict: Verdict,
    judged: int,
    new: bool,
) -> Report:
    content = manifest.content
    stock = content["availability"]
    removed = sum(counts.unavailable for counts in final.counts.values())
    return Report(
        summary=f"{'' if new else 'again '}{manifest.version}: {content['users']:,} users, {stock['unavailable']:,} "
        f"items cannot be had ({removed:,} rows refilled), {judged} rules hold"
        + (f"; {len(verdict.warnings)} warnings" if verdict.warnings else ""),
        rows={table: counts.rows for table, counts in final.counts.items()},
        inputs={
            layout.night(f"{STAGED}/{table}", run_date): commit.digest for table, commit in staged.items()
        },
        outputs={layout.version(manifest.version): manifest.sha256},
        facts={
            "version": manifest.version,
            "users": content["users"],
            "n": content["n"],
            "availability": stock,
            "removed": {table: counts.unavailable for table, counts in final.counts.items()},
            "rules": judged,
            "warnings": verdict.warnings,
        },
    )
