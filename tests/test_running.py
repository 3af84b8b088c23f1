"""A stage's run: exit codes, records, one line for people, and the mark on later nights."""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import UTC, date, datetime
from types import ModuleType
from typing import Any

import pytest

from pipeline_tasks import __main__, launching, running
from pipeline_tasks.errors import NightjarError, NothingToDo, Refused
from pipeline_tasks.lake import floors, layout, records
from pipeline_tasks.lake.lease import hold
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import StoreError
from pipeline_tasks.settings import agreed

D = date(2026, 6, 30)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch):
    """Put a function in the place of the stage `train`."""

    def put(run: Any) -> None:
        module = ModuleType("pipeline_tasks.stages.train")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pipeline_tasks.stages.train", module)

    return put


def raising(error: Exception):
    def run(settings: Any, run_date: date) -> Report:
        raise error

    return run


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


def test_a_rerun_with_another_result_marks_later_nights_and_changes_nothing_in_them(
    make_settings, lake, stage
) -> None:
    settings, later = make_settings(), date(2026, 7, 1)
    stage(lambda s, d: Report("first", outputs={"models/x": "ab"}))
    for night in (D, later):
        running.run_stage(settings, "train", night)
    before = {key: lake.read(key) for key in lake.keys(f"runs/{later}/")}
    running.run_stage(settings, "train", D)
    assert not lake.exists(layout.stale(later))
    stage(lambda s, d: Report("second", outputs={"models/x": "cd"}))
    running.run_stage(settings, "train", D)
    assert lake.read(layout.stale(later)) == b"train of 2026-06-30 was run again with another result\n"
    assert {key: lake.read(key) for key in before} == before


@pytest.mark.parametrize(("outputs", "stale"), [({"models/x": "ab"}, False), ({"models/x": "cd"}, True)])
@pytest.mark.parametrize("error", [StoreError("no answer"), NothingToDo("nothing")])
def test_attempts_that_were_not_done_do_not_hide_from_later_nights_that_a_rerun_has_another_result(
    make_settings, lake, stage, error, outputs, stale
) -> None:
    settings, later = make_settings(), date(2026, 7, 1)
    stage(lambda s, d: Report("first", outputs={"models/x": "ab"}))
    for night in (D, later):
        running.run_stage(settings, "train", night)
    stage(raising(error))
    for _ in range(2):
        running.run_stage(settings, "train", D)
    stage(lambda s, d: Report("second", outputs=outputs))
    running.run_stage(settings, "train", D)
    assert lake.exists(layout.stale(later)) == stale


def test_a_damaged_record_is_replaced_and_later_nights_are_marked_since_nobody_knows_what_it_said(
    make_settings, lake, stage
) -> None:
    stage(lambda s, d: Report("fine"))
    settings, later = make_settings(), date(2026, 7, 1)
    running.run_stage(settings, "train", later)
    lake.write(layout.record(D, "train"), b"{")
    stage(raising(StoreError("no answer")))
    assert running.run_stage(settings, "train", D) == 1
    stage(lambda s, d: Report("fine"))
    assert running.run_stage(settings, "train", D) == 0
    assert records.read(lake, D, "train").status == "done"
    assert lake.exists(layout.stale(later))


def test_each_record_of_a_night_comes_after_all_before_it_whatever_the_clock_says(
    make_settings, lake, stage
) -> None:
    stage(lambda s, d: Report("fine"))
    settings = make_settings()
    running.run_stage(settings, "train", D)
    records.write(lake, replace(records.read(lake, D, "train"), stage="check", turn=7))
    lake.write(layout.record(D, "ingest"), b"{")
    for turn in (8, 9):
        assert running.run_stage(settings, "train", D) == 0
        assert records.read(lake, D, "train").turn == turn


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


def test_a_stage_waits_for_another_writer_and_says_whom_it_waited_for(
    make_settings, lake, stage, capsys
) -> None:
    stage(lambda s, d: Report("fine"))
    settings = make_settings(lease={"wait_seconds": 0.2, "expires_seconds": 0.1})
    with hold(lake, "nights", make_settings().lease, "retention by ann"):
        assert running.run_stage(settings, "train", D) == 1
        assert running.run_stage(settings, "report", D) == 0  # which only says what the others have done
    assert "'nights' is held by retention by ann (process" in capsys.readouterr().out
    assert running.run_stage(settings, "train", D) == 0


def test_a_stage_that_could_not_begin_leaves_the_record_of_its_last_run(make_settings, lake, stage) -> None:
    stage(lambda s, d: Report("fine"))
    assert running.run_stage(make_settings(), "train", D) == 0
    before = lake.read(layout.record(D, "train"))
    settings = make_settings(lease={"wait_seconds": 0.2, "expires_seconds": 0.1})
    with hold(lake, "nights", make_settings().lease, "retention by ann"):
        assert running.run_stage(settings, "train", D) == 1
    assert lake.read(layout.record(D, "train")) == before
    floors.raise_to(lake, date(2026, 7, 1))
    assert running.run_stage(settings, "train", D) == 2
    assert lake.read(layout.record(D, "train")) == before


def test_a_record_begins_when_the_stage_does_and_not_when_it_began_to_wait(
    make_settings, lake, stage
) -> None:
    stage(lambda s, d: Report("fine"))
    with ThreadPoolExecutor(1) as pool:
        with hold(lake, "nights", make_settings().lease, "the stage ahead"):
            waiting = pool.submit(running.run_stage, make_settings(), "train", D)
            time.sleep(0.3)
            ended = datetime.now(UTC)
        assert waiting.result(timeout=60) == 0
    assert datetime.fromisoformat(records.read(lake, D, "train").started) >= ended


def test_a_stage_that_lost_its_lease_fails_and_leaves_the_record_to_who_took_over(
    make_settings, lake, stage, capsys
) -> None:
    def overtaken(settings: Any, run_date: date) -> Report:
        lake.create(layout.lease("nights", 3), b"{}")
        return Report("fine")

    stage(lambda s, d: Report("fine"))
    assert running.run_stage(make_settings(), "train", D) == 0
    before = lake.read(layout.record(D, "train"))
    stage(overtaken)
    assert running.run_stage(make_settings(), "train", D) == 1
    assert "the lease 'nights'" in capsys.readouterr().out
    assert lake.read(layout.record(D, "train")) == before


def test_a_stage_that_has_lost_its_lease_ends_at_once(make_settings, lake, stage, capsys) -> None:
    def overtaken(settings: Any, run_date: date) -> Report:
        lake.create(layout.lease("nights", 2), b"{}")
        time.sleep(30)
        return Report("fine")

    stage(overtaken)
    begun = time.monotonic()
    assert running.run_stage(make_settings(lease={"expires_seconds": 0.4}), "train", D) == 1
    assert time.monotonic() - begun < 15
    assert "the lease 'nights'" in capsys.readouterr().out


@pytest.mark.parametrize(("rank", "held"), [("0", True), ("1", False)])
def test_of_several_processes_the_first_keeps_others_out(
    make_settings, lake, stage, monkeypatch, rank, held
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)
    seen = []
    stage(lambda s, d: seen.append(lake.keys("leases/")) or Report("fine"))
    assert running.run_stage(make_settings(), "train", D) == 0
    assert bool(seen[0]) == held


def test_who_launches_several_processes_keeps_others_out_before_they_read_and_they_do_not_wait_for_it(
    make_settings, lake, stage, monkeypatch
) -> None:
    seen = []

    def launch(processes: int, arguments: Any) -> int:
        seen.append(lake.keys("leases/nights/"))
        for rank in ("1", "0"):
            monkeypatch.setenv("WORLD_SIZE", "2")
            monkeypatch.setenv("RANK", rank)
            monkeypatch.setenv(launching.LAUNCHED_BY, str(os.getppid()))
            assert running.run_stage(settings, "train", D) == 0
        return 0

    stage(lambda s, d: seen.append(lake.keys("leases/nights/")) or Report("fine"))
    settings = make_settings(train={"processes": 2}, lease={"wait_seconds": 0.2, "expires_seconds": 0.1})
    monkeypatch.setattr(launching, "launch", launch)
    assert running.run_stage(settings, "train", D) == 0
    assert seen == [[layout.lease("nights", 1)]] * 3


def test_a_process_whose_launcher_has_died_fails(make_settings, lake, stage, monkeypatch, capsys) -> None:
    def orphaned(settings: Any, run_date: date) -> Report:
        monkeypatch.setenv(launching.LAUNCHED_BY, "0")
        return Report("fine")

    monkeypatch.setenv(launching.LAUNCHED_BY, str(os.getppid()))
    stage(orphaned)
    assert running.run_stage(make_settings(), "train", D) == 1
    assert "has ended" in capsys.readouterr().out
    assert records.read(lake, D, "train") is None


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
