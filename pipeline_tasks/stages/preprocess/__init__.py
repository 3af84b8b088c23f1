"""Clean a night: raw/ in; clean/, vocabulary/ and what cleaning quarantines out, every row accounted for.

Interactions are that night's arrivals, items and users everything known. What is fitted (fill values,
scales) is kept in the clean tables' commits; a night uses what the night before it kept.
"""

import json
from collections.abc import Mapping
from datetime import date

from pyspark.sql import DataFrame

from pipeline_tasks.contracts import INTERACTIONS, ITEMS, SOURCE_TABLES, USERS
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Missing, Store
from pipeline_tasks.quality.predicates import split
from pipeline_tasks.settings import Settings
from pipeline_tasks.sources import choose
from pipeline_tasks.spark.cleaning import check_plan
from pipeline_tasks.spark.raw_night import RawNight, partitions, read_raw_night
from pipeline_tasks.spark.staging import open_staging
from pipeline_tasks.stages.preprocess.accounting import Account
from pipeline_tasks.stages.preprocess.events import CleanedEvents, clean_events, write_events
from pipeline_tasks.stages.preprocess.numbering import write_vocabulary
from pipeline_tasks.stages.preprocess.versions import CleanedVersions, clean_versions, write_versions
from pipeline_tasks.stages.preprocess.work import KEPT, Work


def run(settings: Settings, run_date: date) -> Report:
    """Clean the night's raw tables.

    Raises Refused where ingest or validate has not run or a declared strategy does not suit its column, and
    NightjarError where a row is not accounted for.
    """
    chosen = choose(settings)
    for name, contract in SOURCE_TABLES.items():
        of_table = chosen.source.missing.get(name, {}), chosen.source.scale.get(name, {})
        check_plan(contract, *of_table, f"sources.{chosen.name}")
    with open_staging(settings, "preprocess") as staging:
        raw = read_raw_night(staging, run_date)
        work = Work(settings, chosen.source, run_date, staging, inputs=dict(raw.inputs))
        _require_passed(staging.store, run_date, raw.inputs)
        good = _good_rows(work, raw)
        versions = {each.name: clean_versions(work, each, good[each.name]) for each in (ITEMS, USERS)}
        events = clean_events(work, good["interactions"], raw.after)
        for table, name in (("users", "user_id"), ("items", "item_id")):
            write_vocabulary(work, table, name, versions[table], events)
            write_versions(work, versions[table])
        write_events(work, events)
        accounts = _accounts(work, raw, versions, events)
    return _report(work, accounts, versions, events)


def _require_passed(store: Store, run_date: date, inputs: Mapping[str, str]) -> None:
    """Raise Refused unless validate has let through these very raw tables."""
    for name in SOURCE_TABLES:
        tables.require_commit(store, layout.night(f"quarantine/{name}", run_date), "validate")
    try:
        passed = json.loads(store.read(layout.gate(run_date)))
    except Missing:
        passed = None
    except ValueError as error:
        raise Refused(
            f"{store.uri}/{layout.gate(run_date)} is damaged: {error}", f"run validate for {run_date} again"
        ) from error
    if passed != dict(inputs):
        why = (
            "was stopped by validate"
            if passed is None
            else "was validated on other tables than there are now"
        )
        raise Refused(f"night {run_date} {why}", "run validate for this night, and see its reason")


def _good_rows(work: Work, raw: RawNight) -> dict[str, DataFrame]:
    """Return of each table the rows that validation took."""
    types = work.source.event_types
    known = {"interactions": raw.known_items}
    return {
        name: split(raw.frames[name], contract, types, known.get(name))[0].persist(KEPT)
        for name, contract in SOURCE_TABLES.items()
    }


def _accounts(
    work: Work, raw: RawNight, versions: Mapping[str, CleanedVersions], events: CleanedEvents
) -> list[Account]:
    store, night = work.staging.store, work.run_date
    cleaned = {"interactions": events.reasons, **{name: each.reasons for name, each in versions.items()}}
    return [
        Account(
            table=name,
            raw=sum(tables.require_commit(store, place, "ingest").rows for place in places),
            rejected=raw.rejected[name],
            clean=work.commits[layout.night(f"clean/{name}", night)].rows,
            quarantined=tables.require_commit(
                store, layout.night(f"quarantine/{name}", night), "validate"
            ).rows,
            cleaned_out=cleaned[name],
            duplicates=events.duplicates if name == INTERACTIONS.name else {},
        ).check()
        for name, places in partitions(store, night).items()
    ]


def _report(
    work: Work, accounts: list[Account], versions: Mapping[str, CleanedVersions], events: CleanedEvents
) -> Report:
    rows = {}
    for each in accounts:
        rows[each.table] = each.clean
        rows[f"{each.table}_quarantined"] = sum(each.cleaned_out.values())
    rows["duplicates"] = sum(events.duplicates.values())
    known = {name: work.commits[layout.night(f"vocabulary/{name}", work.run_date)].rows for name in versions}
    return Report(
        summary=_summary(rows, known, events),
        rows=rows,
        inputs=work.inputs,
        outputs={place: commit.digest for place, commit in work.commits.items()},
        facts={
            "accounts": {each.table: each.facts() for each in accounts},
            "missing": {"interactions": events.missing, **{n: each.missing for n, each in versions.items()}},
            "bots": events.bots,
            "vocabulary": known,
        },
    )


def _summary(rows: Mapping[str, int], known: Mapping[str, int], events: CleanedEvents) -> str:
    parts = [
        f"{rows['interactions']:,} clean events, {known['users']:,} users and {known['items']:,} items known"
    ]
    if rows["duplicates"]:
        parts.append(f"{rows['duplicates']:,} duplicates")
    parts += [f"{count:,} events quarantined ({reason})" for reason, count in events.reasons.items()]
    return ", ".join(parts)
