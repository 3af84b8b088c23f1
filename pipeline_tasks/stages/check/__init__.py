"""Staged lists in; the night's final files, their manifest and the verdict on them out.

Availability is read anew, and the lists are filtered and refilled. Then the very files that consumers will
read are judged: by their contract, which nothing overrides, and by their health against what is live, which may
hold them back until somebody releases them.
"""

from dataclasses import asdict
from datetime import date
from typing import Any

from pipeline_tasks.contracts import PUBLISHED_TABLES
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import open_store
from pipeline_tasks.lake.tables import Commit
from pipeline_tasks.publishing import availability, verdicts, versions
from pipeline_tasks.publishing.rules import broken
from pipeline_tasks.publishing.verdicts import Verdict
from pipeline_tasks.publishing.versions import Manifest
from pipeline_tasks.quality.failures import Failure
from pipeline_tasks.scratch import scratch_folder
from pipeline_tasks.settings import Settings, night_end
from pipeline_tasks.stages.check.counting import Counted, count
from pipeline_tasks.stages.check.final import STAGED, Final, finish
from pipeline_tasks.stages.check.ruled import asked_attributes, read_ruled
from pipeline_tasks.stages.check.work import Work

TRAINING = ("items", "users", "sequences")
# rules that spare places keep where much sells out
SHORT = ("list_is_full", "user_has_a_list")


def run(settings: Settings, run_date: date) -> Report:
    """Write the night's version and judge it; raises Refused, naming the worst broken rule of its contract.

    What only its health holds back is done here: `publish` says so.
    """
    store = open_store(settings.lake_uri)
    with scratch_folder(settings) as scratch, tables.held_against_commits(store, _read(run_date)):
        work = Work(settings, run_date, store, scratch)
        staged = {
            table: tables.require_commit(store, layout.night(f"{STAGED}/{table}", run_date), "recommend")
            for table in PUBLISHED_TABLES
        }
        columns = ["item_id", "item_index", "first_seen", *asked_attributes(settings)]
        known = tables.read_table(store, layout.night("training/items", run_date), "dataset", columns)
        stock = availability.read_anew(settings, known, night_end(run_date), scratch)
        items, gone = stock.items, stock.gone
        ruled = read_ruled(work) if settings.rules.declared else None
        promised = ruled.promised(items, staged["top_n"].facts["n"]) if ruled else {}
        final = finish(work, staged, gone, promised)
        counts = availability.snapshot(gone.to_pylist(), items.num_rows)
        facts = _facts(settings, run_date, staged["top_n"], final, counts)
        manifest = versions.describe(run_date, final.files, facts)
        new = versions.upload(store, manifest, final.files)
        counted = count(work, final, items, facts["model"]["name"], ruled)
        failures = broken(counted.violations)
        shown = settings.report.people > 0  # reasons go into reports and messages
        verdict = _verdict(manifest, staged, failures, counted, stock.warnings, examples=shown)
        verdicts.write(store, run_date, verdict)
    if failures:
        filled = failures[0].expectation in SHORT
        mend = "run recommend again with more recommend.spares, then check; " if filled else ""
        more = f" (and {len(failures) - 1} more rules are broken)" if len(failures) > 1 else ""
        raise Refused(
            f"version {manifest.version} breaks its contract: {failures[0].told(examples=shown)}{more}",
            f"it stays unpublished; {mend}all broken rules are in {store.uri}/{layout.verdict(run_date)}",
        )
    return _report(run_date, manifest, staged, final, verdict, len(counted.violations), new, counted.rules)


def _read(run_date: date) -> dict[str, str]:
    """Return the partitions that are read, each with the stage that makes it."""
    staged = {layout.night(f"{STAGED}/{table}", run_date): "recommend" for table in PUBLISHED_TABLES}
    training = {layout.night(f"training/{table}", run_date): "dataset" for table in TRAINING}
    return {**staged, **training}


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


def _verdict(
    manifest: Manifest,
    staged: dict[str, Commit],
    failures: list[Failure],
    counted: Counted,
    more: list[str],
    *,
    examples: bool,
) -> Verdict:
    warnings = [f.sentence for f in counted.findings if f.severity == "warn" and not f.holds]
    return Verdict(
        version=manifest.version,
        manifest_sha256=manifest.sha256,
        passed=not failures,
        staged={f"{STAGED}/{table}": commit.digest for table, commit in staged.items()},
        failures=[{**asdict(failure), "reason": failure.told(examples=examples)} for failure in failures],
        health=[finding.to_json() for finding in counted.findings],
        warnings=[*warnings, *counted.warnings, *filter(None, [counted.alone]), *more],
        against=counted.live,
        difference=asdict(counted.difference) if counted.difference else None,
    )


def _report(
    run_date: date,
    manifest: Manifest,
    staged: dict[str, Commit],
    final: Final,
    verdict: Verdict,
    judged: int,
    new: bool,
    kept: dict[str, Any],
) -> Report:
    content = manifest.content
    stock = content["availability"]
    removed = sum(counts.unavailable for counts in final.counts.values())
    held = f"; held back: {verdict.held_by[0]}" if verdict.held_by else ""
    return Report(
        summary=f"{'' if new else 'again '}{manifest.version}: {content['users']:,} users, {stock['unavailable']:,} "
        f"items cannot be had ({removed:,} rows refilled), {judged} rules hold"
        + _said_of_rules(kept, sum(counts.blocked for counts in final.counts.values()))
        + (f"; {len(verdict.warnings)} warnings" if verdict.warnings else "")
        + held,
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
            "health": verdict.health,
            "against": verdict.against,
            "difference": verdict.difference,
            "held_by": verdict.held_by,
            "warnings": verdict.warnings,
            **({"declared_rules": kept} if kept else {}),
        },
    )


def _said_of_rules(kept: dict[str, Any], blocked: int) -> str:
    """Return what the summary says of the declared rules: only what could not be kept."""
    said = [f"{blocked:,} rows blocked since they were staged"] if blocked else []
    for table, rules in kept.items():
        if missing := rules.get("pins", {}).get("missing"):
            said.append(f"{missing:,} pins of {table} without their place")
        if below := rules.get("new_items", {}).get("lists_below"):
            said.append(f"{below:,} lists with too few new items")
        if short := rules.get("shortfall", {}).get("below_n"):
            said.append(f"{short:,} lists below N")
    return "".join(f"; {each}" for each in said)
