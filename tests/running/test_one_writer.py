"""A stage among other writers: it waits for them, notices that it has lost, and keeps others out for all its processes."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pytest

from pipeline_tasks import launching, running
from pipeline_tasks.lake import floors, layout, records
from pipeline_tasks.lake.lease import hold
from pipeline_tasks.lake.records import Report
from tests.running.conftest import D


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
