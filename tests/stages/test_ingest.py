"""Each night takes in the arrivals that are still missing, once; what cannot be typed is kept with its reason."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.settings import Settings
from tests.sources_on_disk import declare, write_interactions, write_items
from tests.stages.taking_in import FIRST, FOURTH, SECOND, THIRD, rows, take, users

Make = Callable[..., Settings]

pytestmark = pytest.mark.usefixtures("spark")


def files_of(lake: Any) -> dict[str, bytes]:
    return {key: lake.read(key) for key in lake.keys("raw/")}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_the_first_night_takes_everything_up_to_its_end_into_one_partition(
    make_settings: Make, lake: Any, data: Path
) -> None:
    write_interactions(
        data,
        "old,i1,view,2025-06-01T08:00:00Z",
        "last,i1,purchase,2026-01-10T23:59:59Z,,2",
        "tomorrow,i1,view,2026-01-11T00:00:00Z",
        "late,i1,view,2026-01-10T12:00:00Z,2026-01-11T09:00:00Z",
    )
    report = take(make_settings(**declare()), FIRST)
    assert tables.committed(lake, "raw/interactions") == [FIRST]
    assert rows(lake, "interactions", FIRST) == [
        {
            "user_id": "old",
            "item_id": "i1",
            "event_type": "view",
            "event_time": datetime(2025, 6, 1, 8, tzinfo=UTC),
            "arrival": datetime(2025, 6, 1, 8, tzinfo=UTC),
            "value": None,
        },
        {
            "user_id": "last",
            "item_id": "i1",
            "event_type": "purchase",
            "event_time": datetime(2026, 1, 10, 23, 59, 59, tzinfo=UTC),
            "arrival": datetime(2026, 1, 10, 23, 59, 59, tzinfo=UTC),
            "value": 2.0,
        },
    ]
    assert report.rows["interactions"] == 2
    assert report.facts["first_night"] is True


def test_later_nights_take_each_missing_date_and_late_events_on_the_day_they_arrive(
    make_settings: Make, lake: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_interactions(
        data,
        "a,i1,view,2026-01-10T12:00:00Z",
        "b,i1,view,2026-01-11T12:00:00Z",
        "late,i1,view,2026-01-10T12:00:00Z,2026-01-13T08:00:00Z",
        "c,i2,,2026-01-13T12:00:00Z",
        "d,i1,view,2026-01-14T12:00:00Z",
    )
    settings = make_settings(**declare())
    take(settings, FIRST)

    # killed in the middle: what is there is whole, and the night again takes the rest
    def killed(store: Any, partition: str, commit: Any) -> None:
        if partition == layout.raw("interactions", FOURTH):
            raise KeyboardInterrupt
        whole(store, partition, commit)

    whole = tables.commit_partition
    monkeypatch.setattr(tables, "commit_partition", killed)
    with pytest.raises(KeyboardInterrupt):
        take(settings, FOURTH)
    monkeypatch.undo()
    assert tables.committed(lake, "raw/interactions") == [FIRST, SECOND, THIRD]

    report = take(settings, FOURTH)
    assert report.facts["dates"] == ["2026-01-11", "2026-01-12", "2026-01-13"]
    assert users(lake, FIRST) == ["a"]
    assert users(lake, SECOND) == ["b"]
    assert users(lake, THIRD) == []
    assert users(lake, FOURTH) == ["late", "c"]
    assert rows(lake, "interactions", FOURTH)[1]["event_type"] == "view"  # the declared default
    assert [row["item_id"] for row in rows(lake, "items", FOURTH)] == ["i1", "i2"]


def test_a_night_again_writes_the_same_bytes_also_when_later_nights_exist(
    make_settings: Make, lake: Any, data: Path
) -> None:
    write_interactions(
        data,
        "a,i1,view,2026-01-10T12:00:00Z",
        "b,i1,view,2026-01-11T12:00:00Z",
        "bad,i1,view,yesterday",
        "c,i1,view,2026-01-13T12:00:00Z,,much",
    )
    settings = make_settings(**declare())
    first, second = take(settings, FIRST), take(settings, THIRD)
    take(settings, FOURTH)
    before = files_of(lake)
    assert take(settings, FIRST).outputs == first.outputs
    assert take(settings, THIRD).outputs == second.outputs
    assert files_of(lake) == before
    # a date that a later night had caught up, run as a night of its own
    take(settings, SECOND)
    assert users(lake, SECOND) == ["b"]
    assert users(lake, THIRD) == []


def test_rejected_rows_are_kept_with_their_reason_on_the_night_that_they_belong_to(
    make_settings: Make, lake: Any, data: Path
) -> None:
    write_interactions(
        data,
        "a,i1,view,2026-01-10T12:00:00Z",
        "b,i1,view,2026-01-10T12:00:00Z,,lots",
        "c,i1,view,2026-01-12T12:00:00Z,whenever",
        "d,i1,view,yesterday",
        "e,i1,view,",
        "f,i1,view,2026-01-10T12:00:00Z,,1,surplus",
        "g,i1,view,yesterday,2026-01-11T08:00:00Z",
    )
    settings = make_settings(**declare())
    report = take(settings, FIRST)
    found = {row["reason"]: row for row in rows(lake, "interactions_rejected", FIRST)}
    assert set(found) == {
        "value: 'lots' is no number",
        "arrival: 'whenever' is no timestamp",
        "event_time: 'yesterday' is no timestamp",
        "row: it has neither arrival nor event_time",
        "row: it has not the 6 fields of the header",
    }
    assert json.loads(found["value: 'lots' is no number"]["row"]) == {
        "user": "b",
        "item": "i1",
        "event": "view",
        "time": "2026-01-10T12:00:00Z",
        "amount": "lots",
    }
    assert found["event_time: 'yesterday' is no timestamp"]["id"] == "d"
    assert json.loads(found["row: it has not the 6 fields of the header"]["row"])["line"].startswith("f,i1")
    assert report.facts["rejected"]["interactions"] == {
        "value_not_float": 1,
        "arrival_not_timestamp": 1,
        "event_time_not_timestamp": 1,
        "no_place": 1,
        "malformed_row": 1,
    }
    assert report.rows["interactions_rejected"] == 5

    # rejects with a date come on it; those without are counted once, of equal ones each
    more = ("d,i1,view,yesterday", "d,i1,view,yesterday", "h,i1,view,never", "i,i1,view,2026-01-09,soon")
    write_interactions(data, *more, name="more")
    take(settings, THIRD)
    assert [row["id"] for row in rows(lake, "interactions_rejected", SECOND)] == ["g"]
    assert Counter(row["id"] for row in rows(lake, "interactions_rejected", THIRD)) == {
        "d": 2,
        "h": 1,
        "i": 1,
    }
    take(settings, FOURTH)
    assert rows(lake, "interactions_rejected", FOURTH) == []


def test_an_event_dated_before_the_year_1_is_rejected_and_fails_nothing(
    make_settings: Make, lake: Any, data: Path
) -> None:
    dates = ("-62135600400", "0000-01-01 00:00:00")
    write_interactions(data, "a,i1,view,2026-01-10T12:00:00Z", *(f"b,i1,view,{date}" for date in dates))
    report = take(make_settings(**declare()), FIRST)
    assert users(lake, FIRST) == ["a"]
    assert report.facts["rejected"]["interactions"] == {"event_time_not_timestamp": 2}


def test_source_and_lake_on_s3_give_the_same_tables_as_local_ones(
    make_settings: Make, lake: Any, s3_lake: Any, data: Path
) -> None:
    write_interactions(data, "a,i1,view,2026-01-10T12:00:00Z", "b,i1,view,soon", name="one day")
    write_interactions(data, "c,i2,view,2026-01-11T12:00:00Z", name="another [day]")
    write_items(data, [{"item": "i1"}, {"item": "i2"}])
    bucket = s3_lake.uri.removesuffix("/lake")
    for path in (path for path in data.rglob("*") if path.is_file()):
        s3_lake.upload(path, f"source/{path.relative_to(data).as_posix()}")
    there = make_settings(lake=s3_lake.uri, data=f"{bucket}/lake/source", **declare(items={}))
    here = make_settings(**declare(items={}))
    for night in (FIRST, SECOND):
        assert take(there, night).outputs == take(here, night).outputs
    assert json.loads(s3_lake.read(layout.IDENTITY))["source"] == f"{bucket}/lake/source/interactions/*.csv"


def test_a_lake_keeps_to_one_source(make_settings: Make, lake: Any, tmp_path: Path) -> None:
    for name in ("data", "other"):
        write_interactions(tmp_path / name, "a,i1,view,2026-01-10T12:00:00Z")
    take(make_settings(**declare()), FIRST)
    before = files_of(lake)
    with pytest.raises(Refused, match=r"belongs to the source file:.*/data/interactions.*name another lake"):
        take(make_settings(data=str(tmp_path / "other"), **declare()), SECOND)
    assert files_of(lake) == before
    same = declare()
    same["sources"]["tiny"]["identity"] = json.loads(lake.read(layout.IDENTITY))["source"]
    take(make_settings(data=str(tmp_path / "other"), **same), SECOND)
