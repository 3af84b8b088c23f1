"""What is said of a night: its state, the first thing that broke, who serves, where the page is; also without a lake."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import NothingToDo
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store, StoreError
from pipeline_tasks.notifying import message
from pipeline_tasks.notifying.message import write_message
from pipeline_tasks.stages import publish
from tests.lists import NIGHT
from tests.stages.published_night import HEALTH, write_checked, write_records

Make = Callable[..., Any]
PAGE = f"{layout.report(NIGHT)}/index.html"


@pytest.fixture
def live(lake: Store, make_settings: Make, tmp_path: Path) -> str:
    """The version of the night before, which is live."""
    before = NIGHT - timedelta(days=1)
    verdict = write_checked(lake, tmp_path / "before", before)
    publish.run(make_settings(), before)
    return verdict.version


def test_a_night_that_failed_says_where_and_why_who_serves_and_where_the_page_is(
    lake: Store, make_settings: Make, live: str
) -> None:
    write_records(lake, "validate", validate={"status": "refused", "reason": "items: price is negative"})
    lake.write(PAGE, b"<!doctype html>")
    lake.write(f"{layout.report(NIGHT)}/night.png", b"\x89PNG")
    found = write_message(make_settings(), NIGHT, "failed", ["Airflow: run 7"])
    assert found.text.splitlines() == [
        f"Nightjar: night {NIGHT} failed",
        "validate refused: items: price is negative",
        f"consumers read {live}",
        f"report: {lake.uri}/{PAGE}",
        "Airflow: run 7",
    ]
    assert found.pictures == {"night.png": b"\x89PNG"}


def test_the_page_is_linked_where_it_is_served(lake: Store, make_settings: Make) -> None:
    lake.write(PAGE, b"<!doctype html>")
    settings = make_settings(notify={"report_url": "https://reports.example.com/lake/"})
    assert (
        f"report: https://reports.example.com/lake/{PAGE}" in write_message(settings, NIGHT, "failed").lines
    )


def test_a_picture_that_no_mail_takes_is_left_out(lake: Store, make_settings: Make) -> None:
    for name, size in (("a", message.PICTURES_BYTES), ("b", 1), ("c", 0)):
        lake.write(f"{layout.report(NIGHT)}/{name}.png", b"x" * size)
    assert list(write_message(make_settings(), NIGHT, "failed").pictures) == ["a.png", "c.png"]


def test_the_first_night_that_fails_leaves_nothing_to_read(make_settings: Make, lake: Store) -> None:
    write_records(lake, "ingest", ingest={"status": "failed", "reason": "no space left"})
    lines = write_message(make_settings(), NIGHT, "failed").lines
    assert lines == ["ingest failed: no space left", "nothing is published yet"]


def test_a_night_that_its_health_holds_back_says_so(
    lake: Store, make_settings: Make, live: str, tmp_path: Path
) -> None:
    write_checked(lake, tmp_path / "held", health=[HEALTH])
    write_records(lake, publish={"status": "refused", "reason": "version v is held: 30% lost"})
    text = write_message(make_settings(), NIGHT, "failed").text
    assert text.startswith(f"Nightjar: night {NIGHT} is held\npublish refused: version v is held: 30% lost\n")


def test_a_run_that_failed_although_its_night_is_well_says_both(
    lake: Store, make_settings: Make, tmp_path: Path
) -> None:
    verdict = write_checked(lake, tmp_path / "version")
    publish.run(make_settings(), NIGHT)
    write_records(lake)
    found = write_message(make_settings(), NIGHT, "failed")
    assert found.subject == f"Nightjar: night {NIGHT} failed"
    assert f"the scheduler's run failed; live: {verdict.version}" in found.lines[0]
    assert write_message(make_settings(), NIGHT, "ended").subject == f"Nightjar: night {NIGHT} is live"


def test_a_late_night_says_how_far_it_is(lake: Store, make_settings: Make, live: str) -> None:
    write_records(lake, "dataset")
    found = write_message(make_settings(airflow={"deadline": "06:00"}), NIGHT, "late")
    assert found.subject == f"Nightjar: night {NIGHT} is not live at 06:00 UTC"
    assert found.lines == ["so far: train has not run", f"consumers read {live}"]


@pytest.mark.parametrize("days", [0, 1])
def test_a_deadline_that_another_run_met_is_no_news(
    lake: Store, make_settings: Make, tmp_path: Path, days: int
) -> None:
    night = NIGHT + timedelta(days=days)
    write_checked(lake, tmp_path / "version", night)
    publish.run(make_settings(), night)
    with pytest.raises(NothingToDo, match=f"night {night} is live: the deadline of {NIGHT} was met"):
        write_message(make_settings(), NIGHT, "late")


def unreachable(uri: str) -> Store:
    raise StoreError("the store does not answer")


def silent(uri: str) -> Store:
    time.sleep(60)
    raise AssertionError("nobody waits for so long")


@pytest.mark.parametrize(
    ("store", "said"), [(unreachable, "StoreError: the store does not answer"), (silent, "no answer in 0 s")]
)
def test_a_lake_that_does_not_answer_keeps_no_message_back(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch, store: Any, said: str
) -> None:
    monkeypatch.setattr(message, "open_store", store)
    monkeypatch.setattr(message, "READING_SECONDS", 0.1)
    settings = make_settings()
    for event, state in (("failed", "failed"), ("late", "is not live at its deadline UTC")):
        found = write_message(settings, NIGHT, event, ["Airflow: run 7"])
        assert found.subject == f"Nightjar: night {NIGHT} {state}"
        assert found.lines == [f"the lake {settings.lake_uri} cannot be read: {said}", "Airflow: run 7"]


def test_a_reason_without_end_is_cut(lake: Store, make_settings: Make) -> None:
    write_records(lake, "ingest", ingest={"status": "failed", "reason": "x" * 9999})
    assert len(write_message(make_settings(), NIGHT, "failed").text) < 2 * message.LINE_LENGTH
