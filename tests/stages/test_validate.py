"""The gate puts bad rows aside with their reasons, and stops a night that is bad as a whole."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql.pandas.types import to_arrow_schema

from pipeline_tasks.contracts import INTERACTIONS
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.records import Report
from pipeline_tasks.settings import Settings
from pipeline_tasks.spark.schemas import schema
from pipeline_tasks.stages import ingest, preprocess, validate
from tests.sources_on_disk import declare, write_csv, write_interactions, write_items

Make = Callable[..., Settings]
FIRST, SECOND, THIRD = (date(2026, 1, day) for day in (10, 11, 12))
LENIENT = {"quarantine_budget": {"interactions": 1.0, "items": 1.0, "users": 1.0}}

pytestmark = pytest.mark.usefixtures("spark")


def take(settings: Settings, night: date) -> None:
    ingest.run(settings, night)


def quarantined(lake: Any, table: str, night: date = FIRST) -> list[tuple[Any, list[str]]]:
    place = layout.night(f"quarantine/{table}", night)
    rows = tables.read_table(lake, place, "validate").to_pylist()
    key = "item_id" if table == "items" else "user_id"
    return sorted((row[key], row["reasons"]) for row in rows)


def is_empty(report: Report, table: str) -> bool:
    return report.rows[table] == report.rows[f"{table}_quarantined"] == 0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def write_dirty_night(data: Path) -> None:
    write_interactions(
        data,
        "good,i1,view,2026-01-10T12:00:00Z",
        "click,i1,click,2026-01-10T12:00:00Z",
        "unknown,i9,view,2026-01-10T12:00:00Z,,-1",
        "named in a bad row,i2,view,2026-01-10T12:00:00Z",
        "named in a reject,i3,view,2026-01-10T12:00:00Z",
        "reject,i1,view,2026-01-10T12:00:00Z,,much",
    )
    write_items(
        data,
        [
            {"item": "i1", "title": "a"},
            {"item": "i1", "title": "b"},
            {"item": "i2", "price": -1},
            {"item": "i3", "price": "free"},
        ],
    )
    write_csv(data / "users.csv", "user,age", "good,34", "old,999")


def test_bad_rows_are_put_aside_and_too_many_of_them_stop_the_night(
    make_settings: Make, lake: Any, data: Path
) -> None:
    write_dirty_night(data)
    strict = {"quarantine_budget": {"interactions": 0.4, "items": 1.0, "users": 1.0}}
    source = declare(items={}, users={})
    take(make_settings(**source), FIRST)
    with pytest.raises(Refused) as refused:
        validate.run(make_settings(**source, quality=strict), FIRST)
    assert refused.value.reason == (
        "interactions: 50.0% of 6 rows are bad, 40.0% are allowed "
        "(1 rejected, event_type_not_allowed 1, unknown_item 1, value_out_of_range 1)"
    )
    assert layout.night("quarantine/interactions", FIRST) in refused.value.hint
    # what stopped the night is there to be looked at
    assert quarantined(lake, "interactions") == [
        ("click", ["event_type_not_allowed"]),
        ("unknown", ["value_out_of_range", "unknown_item"]),
    ]
    assert quarantined(lake, "items") == [("i1", ["duplicate_key"]), ("i2", ["price_out_of_range"])]
    assert quarantined(lake, "users") == [("old", ["age_out_of_range"])]
    assert not lake.exists(layout.gate(FIRST))
    before = {key: lake.read(key) for key in lake.keys("quarantine/") if "data_docs" not in key}

    report = validate.run(make_settings(**source, quality=LENIENT), FIRST)
    assert report.facts["quarantined"]["interactions"] == {
        "event_type_not_allowed": 1,
        "unknown_item": 1,
        "value_out_of_range": 1,
    }
    assert (report.rows["interactions"], report.rows["interactions_quarantined"]) == (5, 2)
    assert report.facts["warnings"] == []
    assert report.facts["data_docs"] == f"{layout.data_docs(FIRST)}/index.html"
    assert b"interactions" in lake.read(report.facts["data_docs"])
    assert json.loads(lake.read(layout.gate(FIRST)))
    lake.delete([layout.gate(FIRST)])
    assert {key: lake.read(key) for key in lake.keys("quarantine/") if "data_docs" not in key} == before


def test_an_item_that_the_lake_knows_stays_known_when_its_only_version_is_newer_than_the_night(
    make_settings: Make, lake: Any, data: Path
) -> None:
    """As in an export of newest versions alone, when the shop edits an item before the night's run."""
    write_interactions(data, *(f"u{day},i3,view,2026-01-{day}T12:00:00Z" for day in (10, 11)),
                       "u,i9,view,2026-01-11T12:00:00Z")  # fmt: skip
    settings = make_settings(**declare(items={}), quality=LENIENT)
    names = ("i1", "i3")
    write_items(data, [{"item": name, "updated_at": "2026-01-01T00:00:00Z"} for name in names])
    night(settings, FIRST)
    edited = {"i1": "2026-01-01T00:00:00Z", "i3": "2026-01-12T00:30:00Z"}
    write_items(data, [{"item": name, "updated_at": at} for name, at in edited.items()])
    night(settings, SECOND)
    assert quarantined(lake, "interactions", SECOND) == [("u", ["unknown_item"])]
    clean = tables.read_table(lake, layout.night("clean/interactions", SECOND), "preprocess")
    assert clean.select(["user_id", "item_id"]).to_pylist() == [{"user_id": "u11", "item_id": "i3"}]
    # the night before is what it was: only what it knew itself counts
    before = {key: lake.read(key) for key in lake.keys("quarantine/") if "data_docs" not in key}
    validate.run(settings, FIRST)
    assert {key: lake.read(key) for key in lake.keys("quarantine/") if "data_docs" not in key} == before


def night(settings: Settings, run_date: date) -> None:
    take(settings, run_date)
    validate.run(settings, run_date)
    preprocess.run(settings, run_date)


def test_an_empty_first_night_is_refused(make_settings: Make, lake: Any, data: Path) -> None:
    write_interactions(data, "u1,i1,view,2026-01-10T12:00:00Z")
    settings = make_settings(**declare())
    take(settings, FIRST)
    empty: pa.Table = to_arrow_schema(schema(INTERACTIONS)).empty_table()
    tables.write_table(
        lake, layout.raw("interactions", FIRST), empty, facts={"night": str(FIRST), "total": 0}
    )
    with pytest.raises(
        Refused, match=r"interactions: expect_table_row_count_to_be_between\(.*\) .*found 0.*see file:"
    ):
        validate.run(settings, FIRST)


def test_later_nights_judge_what_no_clean_night_has_and_may_be_empty(
    make_settings: Make, lake: Any, data: Path
) -> None:
    write_interactions(data, *(f"u{day},i1,view,2026-01-{day}T12:00:00Z" for day in (10, 11, 12)))
    settings = make_settings(**declare(), quality={"freshness_days": 0.1})
    for night in (FIRST, THIRD, date(2026, 1, 20)):
        take(settings, night)
    clean = pa.table({"user_id": ["u10"]})
    tables.write_table(lake, layout.night("clean/interactions", FIRST), clean)
    report = validate.run(settings, THIRD)
    assert report.rows["interactions"] == 2
    assert [warning.partition(" fails")[0] for warning in report.facts["warnings"]] == [
        "interactions: expect_column_max_to_be_between(event_time)"
    ]
    tables.write_table(lake, layout.night("clean/interactions", THIRD), clean, after=FIRST)
    report = validate.run(settings, date(2026, 1, 20))
    assert is_empty(report, "interactions")
    assert report.facts["warnings"] == ["interactions: nothing arrived"]


def test_a_night_that_is_not_ingested_is_refused(make_settings: Make, data: Path) -> None:
    write_interactions(data, "u1,i1,view,2026-01-10T12:00:00Z")
    with pytest.raises(Refused, match=r"holds no arrivals of 2026-01-11 \(run ingest for this night first\)"):
        validate.run(make_settings(**declare()), SECOND)


@pytest.mark.parametrize(("severity", "people"), [("warn", 1), ("warn", 0), ("stop", 0)])
def test_cases_of_a_broken_rule_name_nobody_where_people_are_not_to_be_shown(
    make_settings: Make, data: Path, monkeypatch: pytest.MonkeyPatch, severity: Any, people: int
) -> None:
    columns = tuple(
        replace(column, severity=severity, max_characters=3) if column.name == "user_id" else column
        for column in INTERACTIONS.columns
    )
    strict = replace(INTERACTIONS, columns=columns)
    monkeypatch.setattr(validate, "SOURCE_TABLES", {**validate.SOURCE_TABLES, INTERACTIONS.name: strict})
    write_interactions(data, "alexander,i1,view,2026-01-10T12:00:00Z")
    settings = make_settings(**declare(), report={"people": people}, quality=LENIENT)
    take(settings, FIRST)
    try:
        (said,) = validate.run(settings, FIRST).facts["warnings"]
    except Refused as refused:
        said = str(refused)
    assert "interactions: expect_column_value_lengths_to_be_between(user_id) fails 1 times" in said
    assert ("alexander" in said) == bool(people)
