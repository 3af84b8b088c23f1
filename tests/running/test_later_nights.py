"""Runs of a night again: what its records say of their order, and the mark on nights that were made after it."""

from dataclasses import replace
from datetime import date

import pytest

from pipeline_tasks import running
from pipeline_tasks.errors import NothingToDo, Refused
from pipeline_tasks.lake import layout, records
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import StoreError
from tests.running.conftest import D, raising


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
    lake.write("runs/backup/notes.txt", b"of no night")
    assert running.run_stage(settings, "train", D) == 0
    assert lake.read(layout.stale(later)) == b"train of 2026-06-30 was run again with another result\n"
    assert {key: lake.read(key) for key in before} == before


def test_a_missed_night_that_is_run_after_later_ones_marks_these(make_settings, lake, stage) -> None:
    settings, later = make_settings(), date(2026, 7, 1)
    stage(lambda s, d: Report("made", outputs={"models/x": "ab"}))
    running.run_stage(settings, "train", later)
    running.run_stage(settings, "train", D)
    assert lake.read(layout.stale(later)) == b"train of 2026-06-30 was run for the first time\n"
    assert not lake.exists(layout.stale(D))


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


def test_a_damaged_record_of_what_only_tells_marks_no_later_night(make_settings, lake) -> None:
    settings, later = make_settings(), date(2026, 7, 1)
    for night in (later, D):
        lake.write(layout.record(night, "report"), b"{")
        assert running.run_stage(settings, "report", night) == 0
    assert records.read(lake, D, "report").report.outputs == {}
    assert not lake.exists(layout.stale(later))


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


def test_a_record_keeps_in_which_turn_its_stage_has_changed_something_as_no_refused_run_does(
    make_settings, lake, stage
) -> None:
    settings = make_settings()
    for made, changed in (
        (raising(Refused("bad rows")), 0),
        (lambda s, d: Report("fine"), 2),
        (raising(Refused("bad rows")), 2),
        (raising(Refused("bad rows")), 2),
        (raising(StoreError("no answer")), 5),
        (raising(Refused("bad rows")), 5),
    ):
        stage(made)
        running.run_stage(settings, "train", D)
        assert records.turn_of(lake, D, "train", changed=True) == changed
