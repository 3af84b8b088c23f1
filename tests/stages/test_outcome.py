"""The outcome is done only where the night has gone live, or a newer one is live, or it was asked not to publish."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import NothingToDo, Refused
from pipeline_tasks.lake import records
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import changes
from pipeline_tasks.publishing.verdicts import Verdict
from pipeline_tasks.reporting.ending import ending
from pipeline_tasks.stages import outcome, publish
from tests.lists import NIGHT
from tests.stages.published_night import HEALTH, record, write_checked, write_records

NOTHING = {"status": "nothing", "reason": "nothing to publish"}


def test_a_live_night_is_done(make_settings: Callable[..., Any], live: str) -> None:
    report = outcome.run(make_settings(), NIGHT)
    assert report.summary == f"live: {live}, entry 1 of the log"


def test_an_unchanged_night_is_done(lake: Store, make_settings: Callable[..., Any], live: str) -> None:
    write_records(lake, publish=NOTHING)
    assert outcome.run(make_settings(), NIGHT).summary == f"unchanged: {live}, live since entry 1 of the log"


def test_a_night_that_was_live_before_a_newer_one_is_done(
    lake: Store, make_settings: Callable[..., Any], live: str, tmp_path: Path
) -> None:
    newer = write_checked(lake, tmp_path / "next", NIGHT + timedelta(days=1)).version
    publish.run(make_settings(), NIGHT + timedelta(days=1))
    write_records(lake, publish=NOTHING)
    for mode in ("auto", "hold", "off"):
        said = outcome.run(make_settings(publish={"mode": mode}), NIGHT).summary
        assert said == f"past: {live} was live before, and {newer} is live"


def test_a_night_that_published_and_was_followed_by_a_newer_one_stays_live_in_its_outcome(
    lake: Store, make_settings: Callable[..., Any], live: str, tmp_path: Path
) -> None:
    write_checked(lake, tmp_path / "next", NIGHT + timedelta(days=1))
    publish.run(make_settings(), NIGHT + timedelta(days=1))
    assert outcome.run(make_settings(), NIGHT).summary == f"live: {live}, entry 1 of the log"


@pytest.mark.parametrize("mode", ["hold", "off"])
def test_a_night_that_was_rolled_back_is_not_said_to_be_live(
    lake: Store, make_settings: Callable[..., Any], live: str, tmp_path: Path, mode: str
) -> None:
    night = NIGHT + timedelta(days=1)
    newer = write_checked(lake, tmp_path / "next", night).version
    publish.run(make_settings(), night)
    changes.roll_back(lake, None, "ann", "bad lists")
    write_records(lake, night=night)
    past = f"past: {newer} was rolled back by ann in entry 3, and {live} is live"
    assert outcome.run(make_settings(publish={"mode": mode}), night).summary == past
    with pytest.raises(
        NothingToDo, match="stays unpublished" if mode == "off" else "cannot be released: .*rolled back"
    ):
        publish.run(make_settings(publish={"mode": mode}), night)
    write_records(lake, night=night, publish=NOTHING)
    assert outcome.run(make_settings(publish={"mode": mode}), night).summary == past


def test_a_night_that_was_never_live_is_done_once_a_newer_one_is(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    """As a backfill makes it, of a night that nobody ran."""
    write_checked(lake, tmp_path / "next", NIGHT + timedelta(days=1))
    publish.run(make_settings(), NIGHT + timedelta(days=1))
    verdict = write_checked(lake, tmp_path / "night")
    write_records(lake, publish=NOTHING)
    said = f"unpublished: {verdict.version} passed its check, and the newer night {NIGHT + timedelta(days=1)} is live"
    for mode in ("auto", "hold"):
        assert outcome.run(make_settings(publish={"mode": mode}), NIGHT).summary == said
    with pytest.raises(NothingToDo, match="held, as asked, and cannot be released: the newer night"):
        publish.run(make_settings(publish={"mode": "hold"}), NIGHT)


def test_a_night_that_was_asked_not_to_publish_is_done(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    verdict = write_checked(lake, tmp_path)
    write_records(lake, publish=NOTHING)
    report = outcome.run(make_settings(publish={"mode": "off"}), NIGHT)
    assert report.summary.startswith(f"unpublished: {verdict.version} passed its check")


def test_a_night_that_was_to_be_held_is_done(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    verdict = write_checked(lake, tmp_path)
    write_records(lake, publish=NOTHING)
    report = outcome.run(make_settings(publish={"mode": "hold"}), NIGHT)
    assert report.summary == f"held: {verdict.version} passed its check, and waits to be released"


def test_a_night_that_its_health_holds_back_is_refused_with_why(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    write_checked(lake, tmp_path, health=[HEALTH])
    write_records(lake, publish={"status": "refused", "reason": "version v is held: 30% lost"})
    with pytest.raises(
        Refused, match=r"publish refused: version v is held: 30% lost .nothing is published yet"
    ):
        outcome.run(make_settings(), NIGHT)
    found = ending(lake, NIGHT, records.read_night(lake, NIGHT), "auto")
    assert (found.state, found.ok) == ("held", False)


@pytest.fixture
def held(lake: Store, tmp_path: Path) -> Verdict:
    """A night that its health holds back."""
    verdict = write_checked(lake, tmp_path / "held", health=[HEALTH])
    write_records(
        lake, publish={"status": "refused", "reason": f"version {verdict.version} is held: 30% lost"}
    )
    return verdict


def test_a_night_that_was_held_and_then_released_is_done(
    lake: Store, make_settings: Callable[..., Any], held: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes.release(lake, NIGHT, held, "ann", "the sale explains it")
    monkeypatch.setenv(
        outcome.FAILED, "publish "
    )  # in the scheduler's run it has failed, and kept its record
    assert outcome.run(make_settings(), NIGHT).summary == f"live: {held.version}, entry 1 of the log"
    monkeypatch.setenv(outcome.FAILED, "train publish ")
    with pytest.raises(Refused, match="train failed in this run"):
        outcome.run(make_settings(), NIGHT)


def test_a_night_that_was_released_and_then_taken_back_is_refused_and_says_so(
    lake: Store, make_settings: Callable[..., Any], live: str, tmp_path: Path
) -> None:
    night = NIGHT + timedelta(days=1)
    verdict = write_checked(lake, tmp_path / "next", night, health=[HEALTH])
    write_records(lake, night=night, publish={"status": "refused", "reason": "version v is held"})
    changes.release(lake, night, verdict, "ann", "the sale explains it")
    changes.roll_back(lake, None, "ann", "it does not")
    said = f"{verdict.version} was rolled back by ann in entry 3, and {live} is live .consumers still read {live}"
    with pytest.raises(Refused, match=said):
        outcome.run(make_settings(), night)
    entry = ending(lake, night, records.read_night(lake, night), "auto").entry
    assert entry
    assert entry.why.startswith("the sale explains it")


def test_a_released_night_that_is_begun_again_is_not_done_by_its_release(
    lake: Store, make_settings: Callable[..., Any], held: Verdict
) -> None:
    changes.release(lake, NIGHT, held, "ann", "the sale explains it")
    records.write(lake, record("check", hours=5))
    with pytest.raises(Refused, match="publish left no record after check ran"):
        outcome.run(make_settings(), NIGHT)


def test_a_night_that_should_be_live_and_is_not_is_refused(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    write_checked(lake, tmp_path)
    write_records(lake, publish=NOTHING)
    with pytest.raises(
        Refused, match=r"the night is not live: nothing to publish .*nothing is published yet"
    ):
        outcome.run(make_settings(), NIGHT)
