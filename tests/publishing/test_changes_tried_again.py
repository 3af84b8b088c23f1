"""Who died, was overtaken or is tried again changes what is live once, and is told what became of it."""

from datetime import timedelta
from pathlib import Path

import pytest

from pipeline_tasks.errors import NothingToDo, Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store, StoreError
from pipeline_tasks.publishing import changes, log
from pipeline_tasks.reader import open_current
from tests.failing_store import FailingStore, Killed
from tests.lists import NIGHT
from tests.publishing.going_live import back, go_live, released
from tests.stages.published_night import write_checked


def test_who_is_overtaken_is_told_and_decides_again(
    either_lake: Store, tmp_path: Path, three: list[str]
) -> None:
    class Overtaken(FailingStore):
        def create(self, key: str, data: bytes) -> None:
            if self.changes == 0:
                self.changes += 1
                go_live(self.inner, tmp_path / "other", 4)
            self.inner.create(key, data)

    with pytest.raises(Refused, match=r"2026-01-14-.* went live meanwhile"):
        back(Overtaken(either_lake, at=99))
    assert log.newest(either_lake).run_date == "2026-01-14"  # type: ignore[union-attr]


@pytest.mark.parametrize("to", [None, 1])
def test_a_rollback_that_dies_before_its_copy_goes_back_once(
    either_lake: Store, three: list[str], to: int | None
) -> None:
    to_version = None if to is None else three[to]
    with pytest.raises(Killed):
        back(FailingStore(either_lake, at=2, error=Killed()), to_version)
    assert log.is_unfinished(either_lake)
    assert back(either_lake, to_version) == three[1]
    assert [entry.action for entry in log.history(either_lake)] == 3 * ["publish"] + ["rollback"]
    assert not log.is_unfinished(either_lake)


def test_nobody_takes_anothers_unfinished_rollback_for_his_own(either_lake: Store, three: list[str]) -> None:
    with pytest.raises(Killed):
        back(FailingStore(either_lake, at=2, error=Killed()))
    assert changes.roll_back(either_lake, None, "bob", "that one is bad too").version == three[0]
    assert [(entry.who, entry.version) for entry in log.history(either_lake)[3:]] == [
        ("ann", three[1]),
        ("bob", three[0]),
    ]


def test_a_rollback_whose_copy_fails_says_that_it_is_live(either_lake: Store, three: list[str]) -> None:
    broken = StoreError("503 SlowDown", "")
    with pytest.raises(StoreError, match=rf"{three[1]} is live, entry 4 of the log, but .*503 SlowDown"):
        back(FailingStore(either_lake, at=2, error=broken))
    assert back(either_lake) == three[1]
    assert open_current(either_lake.uri).name == three[1]


def test_an_airflow_run_goes_back_once_however_often_it_is_tried(
    either_lake: Store, tmp_path: Path, three: list[str]
) -> None:
    """Its task may die after all is done, and is then tried again."""
    run = "airflow rollback_recommendations manual__1"
    for _ in range(2):
        assert changes.roll_back(either_lake, None, run, "bad lists").version == three[1]
    assert len(log.history(either_lake)) == 4
    newer = go_live(either_lake, tmp_path, 3)
    with pytest.raises(NothingToDo, match=rf"made {three[1]} live in entry 4; {newer} went live after it"):
        changes.roll_back(either_lake, None, run, "bad lists")
    assert changes.roll_back(either_lake, None, f"{run}0", "worse lists").version == three[1]


def test_an_airflow_run_that_is_asked_for_another_version_releases_that_too(
    lake: Store, tmp_path: Path
) -> None:
    """All its tasks were cleared, and somebody approved what waits by then."""
    run = "airflow release_recommendations manual__1"
    for days in range(2):
        night = NIGHT + timedelta(days=days)
        verdict = write_checked(lake, tmp_path / str(days), night)
        for _ in range(2):
            made = changes.release(lake, night, verdict, run, "looked at it")
            assert (made.version, made.sequence) == (verdict.version, days + 1)


def test_a_release_that_dies_before_its_copy_is_told_to_consumers_by_the_next_try(
    either_lake: Store, tmp_path: Path
) -> None:
    verdict = write_checked(either_lake, tmp_path)
    with pytest.raises(Killed):
        released(FailingStore(either_lake, at=2, error=Killed()), NIGHT, verdict)
    assert not either_lake.exists(layout.CURRENT)
    assert released(either_lake, NIGHT, verdict).sequence == 1
    assert either_lake.read(layout.CURRENT) == either_lake.read(layout.log_entry(1))
    assert len(log.history(either_lake)) == 1
