"""Of which run a night's records are: its outcome goes by the newest, whatever clocks say and wherever it stopped."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import records
from pipeline_tasks.lake.store import Store
from pipeline_tasks.stages import outcome
from tests.lists import NIGHT
from tests.stages.published_night import record, write_records

# of the records of one run, in their order
TURNS = list(enumerate(records.STAGES, start=1))


def test_the_first_stage_that_failed_is_named_with_its_reason(
    lake: Store, make_settings: Callable[..., Any], live: str
) -> None:
    write_records(
        lake,
        validate={"status": "refused", "reason": "items: price is negative in 40 rows"},
        train={"status": "failed", "reason": "out of memory"},
    )
    with pytest.raises(Refused) as refused:
        outcome.run(make_settings(), NIGHT)
    assert refused.value.reason == "validate refused: items: price is negative in 40 rows"
    assert refused.value.hint == f"consumers still read {live}"


@pytest.mark.parametrize("upto", ["ingest", "train", "check"])
def test_a_night_that_stopped_on_the_way_names_the_stage_that_has_not_run(
    lake: Store, make_settings: Callable[..., Any], upto: str
) -> None:
    write_records(lake, upto)
    following = records.STAGES[records.STAGES.index(upto) + 1]
    with pytest.raises(Refused, match=f"{following} has not run"):
        outcome.run(make_settings(), NIGHT)


def test_a_night_without_any_record_is_refused(make_settings: Callable[..., Any]) -> None:
    with pytest.raises(Refused, match="ingest has not run"):
        outcome.run(make_settings(), NIGHT)


def test_a_stage_that_was_killed_in_a_rerun_is_not_taken_for_its_earlier_run(
    lake: Store, make_settings: Callable[..., Any], live: str
) -> None:
    for stage in ("ingest", "validate", "preprocess"):
        records.write(lake, record(stage, hours=5))
    with pytest.raises(Refused, match="features left no record after preprocess ran"):
        outcome.run(make_settings(), NIGHT)


def test_a_clock_that_differs_from_other_hosts_is_not_taken_for_another_run(
    lake: Store, make_settings: Callable[..., Any], live: str
) -> None:
    ahead = dict.fromkeys(("train", "evaluate", "recommend"), 3)
    write_records(lake, **{stage: {"turn": n, "hours": ahead.get(stage, 0)} for n, stage in TURNS})
    assert outcome.run(make_settings(), NIGHT).facts["state"] == "live"
    again = {stage: {"turn": n + len(records.STAGES), "hours": -5} for n, stage in TURNS}
    write_records(lake, upto="preprocess", **again)
    with pytest.raises(Refused, match="features left no record after preprocess ran"):
        outcome.run(make_settings(), NIGHT)


def test_a_record_of_an_image_from_before_turns_is_placed_by_its_clock(
    lake: Store, make_settings: Callable[..., Any], live: str
) -> None:
    write_records(lake, **{stage: {"turn": n if stage != "train" else 0} for n, stage in TURNS})
    assert outcome.run(make_settings(), NIGHT).facts["state"] == "live"


def test_a_stage_that_was_mended_and_run_again_with_those_after_it_is_done(
    lake: Store, make_settings: Callable[..., Any], live: str
) -> None:
    for stage in records.STAGES[records.STAGES.index("train") : records.STAGES.index("report")]:
        records.write(lake, record(stage, hours=5))
    assert outcome.run(make_settings(), NIGHT).facts["state"] == "live"


def test_a_report_that_failed_does_not_fail_the_night(
    lake: Store, make_settings: Callable[..., Any], live: str
) -> None:
    write_records(lake, "report", report={"status": "failed", "reason": "no disk"})
    assert outcome.run(make_settings(), NIGHT).facts["state"] == "live"


@pytest.mark.parametrize("failed", ["ingest ", "report publish"])
def test_a_rerun_that_could_not_begin_is_not_taken_for_the_run_before_it(
    lake: Store, make_settings: Callable[..., Any], live: str, monkeypatch: pytest.MonkeyPatch, failed: str
) -> None:
    monkeypatch.setenv(outcome.FAILED, failed)
    with pytest.raises(
        Refused, match=rf"{failed.split()[-1]} failed in this run and .* live: {live}, entry 1"
    ):
        outcome.run(make_settings(), NIGHT)
    monkeypatch.setenv(outcome.FAILED, "report ")
    assert outcome.run(make_settings(), NIGHT).facts["state"] == "live"
