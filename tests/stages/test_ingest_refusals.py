"""Input that no night can be made of ends ingest in one line with a hint, and the lake stays as it was."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import Settings
from pipeline_tasks.stages import ingest
from tests.sources_on_disk import declare, write_csv, write_interactions

Make = Callable[..., Settings]
NIGHT = date(2026, 1, 10)
GOOD = "u1,i1,view,2026-01-10T12:00:00Z"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def refusal(settings: Settings, lake: Any, night: date = NIGHT) -> str:
    before = {key: lake.read(key) for key in lake.keys("")}
    with pytest.raises(Refused) as refused:
        ingest.run(settings, night)
    assert {key: lake.read(key) for key in lake.keys("")} == before
    assert "\n" not in str(refused.value)
    assert refused.value.hint
    assert refused.value.exit_code == 2
    return str(refused.value)


def test_a_missing_file_before_spark_starts(make_settings: Make, lake: Any) -> None:
    assert "no interactions found" in refusal(make_settings(**declare()), lake)


def test_a_missing_column_before_spark_starts(make_settings: Make, lake: Any, data: Path) -> None:
    write_csv(data / "interactions" / "a.csv", "user;item;event;time;arrived;amount", GOOD.replace(",", ";"))
    assert "sources.tiny.interactions.delimiter to the semicolon" in refusal(make_settings(**declare()), lake)


def test_a_night_before_the_first_event(spark: Any, make_settings: Make, lake: Any, data: Path) -> None:
    write_interactions(data, GOOD)
    said = refusal(make_settings(**declare()), lake, date(2026, 1, 9))
    assert "no interaction had arrived by the end of 2026-01-09" in said
    assert "choose a run_date from 2026-01-10 on" in said


def test_a_night_before_the_lakes_first(spark: Any, make_settings: Make, lake: Any, data: Path) -> None:
    write_interactions(data, GOOD, "u1,i1,view,2026-01-01T12:00:00Z")
    settings = make_settings(**declare())
    ingest.run(settings, NIGHT)
    said = refusal(settings, lake, date(2026, 1, 9))
    assert "run_date 2026-01-09 is before the lake's first night, 2026-01-10" in said


def test_interactions_without_a_row(spark: Any, make_settings: Make, lake: Any, data: Path) -> None:
    write_interactions(data)
    assert "all.csv" not in (said := refusal(make_settings(**declare()), lake))
    assert "has no rows of interactions" in said


def test_interactions_of_which_no_row_can_be_typed(
    spark: Any, make_settings: Make, lake: Any, data: Path
) -> None:
    write_interactions(data, "u1,i1,view,yesterday", "u1,i1,view,yesterday", "u2,i1,view,soon")
    said = refusal(make_settings(**declare()), lake)
    assert "none of the 3 rows" in said
    assert "event_time: 'soon' is no timestamp; event_time: 'yesterday' is no timestamp" in said


def test_items_without_a_row(spark: Any, make_settings: Make, lake: Any, data: Path) -> None:
    write_interactions(data, GOOD)
    write_csv(data / "items.csv", "item,updated_at,title,price,tags")
    settings = make_settings(**declare(items={"uri": "items.csv", "format": "csv"}))
    with pytest.raises(Refused, match=r"items\.csv has no rows of items .*remove sources\.tiny\.items"):
        ingest.run(settings, NIGHT)
