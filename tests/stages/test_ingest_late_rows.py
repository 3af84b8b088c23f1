"""Rows that show up after their date was taken in are counted, or it is said that they cannot be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.settings import Settings
from tests.sources_on_disk import INTERACTIONS, declare, write_interactions
from tests.stages.taking_in import FIRST, SECOND, take, users

Make = Callable[..., Settings]

pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize("mapped", [False, True])
def test_rows_that_show_up_after_their_date_was_taken_in_are_reported(
    make_settings: Make, lake: Any, data: Path, mapped: bool
) -> None:
    columns = {
        name: column for name, column in INTERACTIONS["columns"].items() if mapped or name != "arrival"
    }
    settings = make_settings(**declare(interactions={"columns": columns}))
    write_interactions(data, "a,i1,view,2026-01-10T12:00:00Z")
    take(settings, FIRST)
    write_interactions(
        data,
        "b,i1,view,2026-01-09T12:00:00Z",
        "c,i1,view,2026-01-09T12:00:00Z,2026-01-10T12:00:00Z",
        "d,i1,view,2026-01-11T12:00:00Z",
        name="new",
    )
    report = take(settings, SECOND)
    assert report.facts["missed"] == 2
    assert "2 rows came too late for a night that is past: let arrival say when" in report.summary
    assert users(lake, SECOND) == ["d"]


def test_late_rows_of_a_source_that_is_a_moving_window_cannot_be_counted_which_is_said(
    make_settings: Make, lake: Any, data: Path
) -> None:
    write_interactions(data, *(f"{user},i1,view,2026-01-10T12:00:00Z" for user in "ab"))
    settings = make_settings(**declare())
    take(settings, FIRST)
    write_interactions(data, "late,i1,view,2026-01-10T13:00:00Z", "c,i1,view,2026-01-11T12:00:00Z")
    report = take(settings, SECOND)
    assert report.facts["missed"] is None
    assert "late rows cannot be counted: the source no longer holds what was taken in" in report.summary
    assert users(lake, SECOND) == ["c"]


def test_a_night_of_nothing_but_late_rows_counts_them_also_where_spark_adapts_its_plans(
    spark: Any, make_settings: Make, lake: Any, data: Path
) -> None:
    """As it does on a cluster, where a plan loses what turns out to be empty."""
    write_interactions(data, "a,i1,view,2026-01-10T12:00:00Z")
    settings = make_settings(**declare())
    take(settings, FIRST)
    write_interactions(data, "b,i1,view,2026-01-09T12:00:00Z", name="new")
    spark.conf.set("spark.sql.adaptive.enabled", "true")
    try:
        report = take(settings, SECOND)
    finally:
        spark.conf.set("spark.sql.adaptive.enabled", "false")
    assert report.facts["missed"] == 1
    assert users(lake, SECOND) == []
