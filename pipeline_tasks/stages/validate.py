"""The quality gate: the night's raw tables in; quarantine with reasons, data docs, and a night stopped or not, out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.contracts import INTERACTIONS, SOURCE_TABLES
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store
from pipeline_tasks.quality.expectations import Gate, Judged
from pipeline_tasks.quality.predicates import REASONS, split
from pipeline_tasks.settings import Settings, night_end
from pipeline_tasks.sources import choose
from pipeline_tasks.spark.raw_night import RawNight, read_raw_night
from pipeline_tasks.spark.staging import Staging, open_staging


@dataclass(frozen=True)
class _Table:
    """What became of one table: rows that could be typed, rows that could not, rows put aside by reason."""

    rows: int
    rejected: int
    quarantined: int
    reasons: dict[str, int]
    digest: str

    @property
    def share(self) -> float:
        return (self.rejected + self.quarantined) / max(1, self.rows + self.rejected)


def run(settings: Settings, run_date: date) -> Report:
    """Judge the night's raw tables and put aside their bad rows.

    Raises Refused when a hard expectation fails, or more rows than the quarantine budget allows are bad;
    quarantine and data docs are written before, so that the reason can be looked at.
    """
    source = choose(settings).source
    shown = settings.report.people > 0  # reasons go into reports and messages
    with open_staging(settings, "validate") as staging:
        staging.store.delete([layout.gate(run_date)])
        raw = read_raw_night(staging, run_date)
        gate = Gate(staging.scratch, examples=shown)
        judged, tables, end = {}, {}, night_end(run_date)
        for name, contract in SOURCE_TABLES.items():
            frame = raw.frames[name].persist(StorageLevel.MEMORY_AND_DISK)
            rows = frame.count()
            judged[name] = gate.judge(
                frame,
                contract,
                source.event_types,
                may_be_empty=name == INTERACTIONS.name and raw.after is not None,
                fresh=(end - timedelta(days=settings.quality.freshness_days), end)
                if name == INTERACTIONS.name and rows
                else None,
            )
            tables[name] = _put_aside(staging, raw, run_date, name, frame, rows, source.event_types)
            frame.unpersist()
        docs = _upload(staging.store, gate.data_docs(), layout.data_docs(run_date))
    _stop_on_failures(judged, f"{staging.store.uri}/{docs}", examples=shown)
    _stop_over_budget(tables, settings.quality.quarantine_budget, staging.store.uri, run_date)
    staging.store.write(layout.gate(run_date), json.dumps(raw.inputs, sort_keys=True, indent=1).encode())
    return _report(run_date, raw, judged, tables, docs, examples=shown)


def _put_aside(
    staging: Staging,
    raw: RawNight,
    run_date: date,
    name: str,
    frame: DataFrame,
    rows: int,
    event_types: list[str],
) -> _Table:
    contract = SOURCE_TABLES[name]
    known = raw.known_items if name == INTERACTIONS.name else None
    bad = split(frame, contract, event_types, known)[1].persist(StorageLevel.MEMORY_AND_DISK)
    counted = bad.select(F.explode(REASONS).alias("reason")).groupBy("reason").count().collect()
    reasons = {
        row["reason"]: row["count"] for row in sorted(counted, key=lambda row: (-row["count"], row["reason"]))
    }
    commit = staging.write(
        bad, layout.night(f"quarantine/{name}", run_date), sort=contract.names, facts={"reasons": reasons}
    )
    bad.unpersist()
    return _Table(rows, raw.rejected[name], commit.rows, reasons, commit.digest)


def _upload(store: Store, pages: Path, folder: str) -> str:
    """Put the data docs into the lake; return the key of their first page."""
    written = {
        f"{folder}/{page.relative_to(pages).as_posix()}": page for page in pages.rglob("*") if page.is_file()
    }
    for key, page in sorted(written.items()):
        store.upload(page, key)
    store.delete([key for key in store.keys(f"{folder}/") if key not in written])
    return f"{folder}/index.html"


def _stop_on_failures(judged: Mapping[str, Judged], docs: str, *, examples: bool) -> None:
    stops = [failure.told(examples=examples) for each in judged.values() for failure in each.failures["stop"]]
    if stops:
        more = f" (and {len(stops) - 1} more)" if len(stops) > 1 else ""
        raise Refused(f"{stops[0]}{more}", f"see {docs}")


def _stop_over_budget(
    tables: Mapping[str, _Table], budget: Mapping[str, float], lake: str, run_date: date
) -> None:
    for name, table in tables.items():
        if table.share > budget[name]:
            said = ", ".join(f"{reason} {count:,}" for reason, count in list(table.reasons.items())[:5])
            rejected = f"{table.rejected:,} rejected" if table.rejected else ""
            raise Refused(
                f"{name}: {table.share:.1%} of {table.rows + table.rejected:,} rows are bad, "
                f"{budget[name]:.1%} are allowed ({', '.join(filter(None, (rejected, said)))})",
                f"see {lake}/{layout.night(f'quarantine/{name}', run_date)}, mend the source, "
                f"or raise quality.quarantine_budget.{name}",
            )


def _report(
    run_date: date,
    raw: RawNight,
    judged: Mapping[str, Judged],
    tables: Mapping[str, _Table],
    docs: str,
    *,
    examples: bool,
) -> Report:
    events = tables[INTERACTIONS.name]
    warnings = [
        failure.told(examples=examples) for each in judged.values() for failure in each.failures["warn"]
    ]
    if not events.rows:
        warnings.append("interactions: nothing arrived")
    put_aside = sum(table.quarantined for table in tables.values())
    rows = {name: table.rows for name, table in tables.items()}
    rows |= {f"{name}_quarantined": table.quarantined for name, table in tables.items()}
    said = ", ".join(f"{reason} {count:,}" for reason, count in list(events.reasons.items())[:3])
    return Report(
        f"{sum(table.rows for table in tables.values()):,} rows judged, {put_aside:,} quarantined"
        + (f" ({said}, …)" if said else "")
        + (f"; {len(warnings)} warnings" if warnings else ""),
        rows=rows,
        inputs=raw.inputs,
        outputs={
            layout.night(f"quarantine/{name}", run_date): table.digest for name, table in tables.items()
        },
        facts={
            "quarantined": {name: table.reasons for name, table in tables.items()},
            "counted_by_expectations": {name: each.counts for name, each in judged.items()},
            "warnings": warnings,
            "data_docs": docs,
        },
    )
