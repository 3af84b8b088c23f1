"""A stage's run: exit codes, records and one line for people."""

import sys
from contextlib import redirect_stdout
from datetime import date
from typing import Any

import pytest

from pipeline_tasks import __main__, running
from pipeline_tasks.errors import NightjarError, NothingToDo, Refused
from pipeline_tasks.lake import floors, records
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import StoreError
from pipeline_tasks.settings import agreed
from tests.running.conftest import D, raising


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (Refused("ratings.csv has no column 'userId'", "see sources"), 2, "refused"),
        (NothingToDo("already live"), 99, "nothing"),
        (NightjarError("the store does not answer"), 1, "failed"),
        (ZeroDivisionError("division by zero"), 1, "failed"),
    ],
)
def test_each_way_to_end_has_its_code_and_record(
    make_settings, lake, stage, capsys, error, code, status
) -> None:
    stage(raising(error))
    assert running.run_stage(make_settings(), "train", D) == code
    record = records.read(lake, D, "train")
    assert (record.status, record.run_date) == (status, "2026-06-30")
    assert str(error) in record.reason
    out = capsys.readouterr()
    (line,) = out.out.splitlines()
    assert str(error) in line
    assert ("Traceback" in out.err) == isinstance(error, ZeroDivisionError)


def test_the_traceback_of_what_nobody_expected_is_in_the_log_before_the_reason(
    make_settings, lake, stage, capfd
) -> None:
    stage(raising(ZeroDivisionError("division by zero")))
    with redirect_stdout(sys.stderr):
        running.run_stage(make_settings(), "train", D)
    first, *_, last = capfd.readouterr().err.splitlines()
    assert first.startswith("Traceback")
    assert last == (
        "train 2026-06-30: failed: ZeroDivisionError: division by zero (its traceback is in the stage's log)"
    )


def test_a_stage_with_other_settings_than_its_launcher_is_refused(
    make_settings, lake, stage, monkeypatch
) -> None:
    stage(lambda s, d: Report("fine"))
    for name, value in agreed(make_settings(recommend={"n": 10})).items():
        monkeypatch.setenv(name, value)
    assert running.run_stage(make_settings(), "train", D) == 2
    assert "build the image anew" in records.read(lake, D, "train").reason


def test_a_done_stage_keeps_what_it_reports(make_settings, lake, stage, capsys) -> None:
    stage(lambda settings, run_date: Report("3 rows", rows={"in": 3}, outputs={"models/x": "ab"}))
    assert running.run_stage(make_settings(), "train", D) == 0
    record = records.read(lake, D, "train")
    assert record.report == Report("3 rows", rows={"in": 3}, outputs={"models/x": "ab"})
    assert record.seconds >= 0
    assert record.peak_rss_bytes > 10_000_000
    assert capsys.readouterr().out == "train 2026-06-30: 3 rows\n"


def test_a_lake_that_does_not_take_the_record_fails_the_stage(
    make_settings, stage, monkeypatch, capsys
) -> None:
    from pipeline_tasks.lake.local import LocalStore

    def full(self: Any, key: str, data: bytes) -> None:
        raise StoreError("cannot write: No space left on device")

    monkeypatch.setattr(LocalStore, "write", full)
    stage(lambda s, d: Report("fine"))
    assert running.run_stage(make_settings(), "train", D) == 1
    assert "No space left on device" in capsys.readouterr().err


def test_a_night_that_retention_has_removed_is_refused(make_settings, lake, stage, capsys) -> None:
    stage(lambda s, d: Report("fine"))
    floors.raise_to(lake, D)
    assert running.run_stage(make_settings(), "train", D) == 0
    before = date(2026, 6, 29)
    assert running.run_stage(make_settings(), "train", before) == 2
    assert "can no longer be run again" in capsys.readouterr().out
    assert records.read(lake, before, "train") is None


def test_a_stage_needs_a_date(monkeypatch, capsys) -> None:
    monkeypatch.delenv("NIGHTJAR_RUN_DATE", raising=False)
    assert __main__.main(["ingest"]) == 2
    assert "say --run-date YYYY-MM-DD" in capsys.readouterr().err


def test_settings_are_printed_masked(capsys) -> None:
    assert __main__.main(["settings"]) == 0
    assert '"seed": 7' in capsys.readouterr().out
