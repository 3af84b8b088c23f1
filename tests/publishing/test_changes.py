"""Going back and releasing: what is live changes by one entry, or not at all, and never to what is not whole."""

from datetime import timedelta
from pathlib import Path

import pytest

from pipeline_tasks.errors import NothingToDo, Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import catalogue, changes, following, log, verification, waiting, withdrawals
from pipeline_tasks.reader import open_current
from tests.failing_store import FailingStore
from tests.lists import NIGHT
from tests.publishing.going_live import LISTS, back, go_live, released
from tests.stages import staged_night
from tests.stages.published_night import write_checked


def test_back_is_to_the_version_before_and_then_to_the_one_before_that(
    either_lake: Store, three: list[str]
) -> None:
    assert back(either_lake) == three[1]
    assert open_current(either_lake.uri).name == three[1]
    assert back(either_lake) == three[0]
    with pytest.raises(Refused, match="no version was live before"):
        back(either_lake)
    entry = log.history(either_lake)[-1]
    assert (entry.sequence, entry.action, entry.who, entry.why) == (5, "rollback", "ann", "bad lists")
    assert either_lake.read(layout.CURRENT) == entry.to_json()


def test_back_may_be_to_a_named_version_and_forward_again(either_lake: Store, three: list[str]) -> None:
    assert back(either_lake, three[0]) == three[0]
    with pytest.raises(NothingToDo, match="unchanged"):
        back(either_lake, three[0])
    assert back(either_lake, three[2]) == three[2]


def test_a_night_after_a_rollback_goes_live_and_back_is_then_to_what_was_good(
    either_lake: Store, tmp_path: Path, three: list[str]
) -> None:
    back(either_lake)
    following = go_live(either_lake, tmp_path, 3)
    assert open_current(either_lake.uri).name == following
    assert back(either_lake) == three[1]  # not to what somebody went back from


def test_a_version_that_its_night_has_come_back_to_waits_and_may_be_released(
    lake: Store, tmp_path: Path
) -> None:
    first, second = (
        staged_night.go_live(lake, tmp_path / str(n), NIGHT, {**LISTS, "bob": ["i1", "i2"][:n]})
        for n in (1, 2)
    )
    assert {each.name: each.state for each in catalogue.listed(lake)} == {first: "was live", second: "live"}
    held = [
        {
            "name": "lists_replaced",
            "severity": "stop",
            "found": 1.0,
            "limit": 0.5,
            "sentence": "all",
            "holds": False,
        }
    ]
    again = write_checked(lake, tmp_path / "again", lists={**LISTS, "bob": ["i1"]}, health=held)
    assert (again.version, waiting.find(lake, None).name) == (first, first)
    assert {each.name: each.state for each in catalogue.listed(lake)} == {first: "held", second: "live"}
    assert released(lake, NIGHT, again).version == first
    assert back(lake) == second


@pytest.mark.parametrize("mistaken", [0, 1])
def test_a_rollback_that_was_taken_back_has_gone_back_from_nothing(
    either_lake: Store, three: list[str], mistaken: int
) -> None:
    assert back(either_lake, three[mistaken]) == three[mistaken]
    assert back(either_lake, three[2]) == three[2]
    states = {each.name: each.state for each in catalogue.listed(either_lake)}
    assert states == {three[0]: "was live", three[1]: "was live", three[2]: "live"}
    assert withdrawals.withdrawn(either_lake, three[mistaken]) is None
    assert back(either_lake) == three[1]
    assert back(either_lake) == three[0]


def test_going_back_by_several_versions_goes_back_from_all_of_them(lake: Store, tmp_path: Path) -> None:
    first, *others = [go_live(lake, tmp_path, days) for days in range(4)]
    assert back(lake, first) == first
    assert {each.name: each.state for each in catalogue.listed(lake)} == {
        first: "live",
        **dict.fromkeys(others, "rolled back"),
    }
    with pytest.raises(Refused, match="no version was live before"):
        back(lake)
    with pytest.raises(Refused, match="was rolled back by ann in entry 5"):
        following.not_backwards(lake, others[1], NIGHT + timedelta(days=2))(log.newest(lake))


def test_taking_a_part_of_it_back_leaves_the_rest_gone_and_nothing_else(lake: Store, tmp_path: Path) -> None:
    first, second, third, fourth = [go_live(lake, tmp_path, days) for days in range(4)]
    back(lake, first)
    assert back(lake, third) == third
    assert set(withdrawals.gone_back_from(log.history(lake))) == {fourth}
    assert back(lake) == second
    assert set(withdrawals.gone_back_from(log.history(lake))) == {third, fourth}
    assert back(lake, fourth) == fourth  # of what another rollback went back from nothing is taken back
    assert set(withdrawals.gone_back_from(log.history(lake))) == {third}
    assert back(lake) == second


def test_of_a_version_whose_own_entry_is_lost_nothing_older_is_gone_back_from(
    lake: Store, tmp_path: Path
) -> None:
    first, lost, live = [go_live(lake, tmp_path, days) for days in range(3)]
    back(lake)
    lake.delete([layout.log_entry(2)])
    assert set(withdrawals.gone_back_from(log.history(lake))) == {live}
    assert back(lake) == first
    assert withdrawals.withdrawn(lake, lost) is None


def test_what_was_forced_over_a_newer_night_and_went_back_is_no_place_to_go_back_to(
    either_lake: Store, tmp_path: Path
) -> None:
    newer, forced = go_live(either_lake, tmp_path, 2), go_live(either_lake, tmp_path, 0)
    assert back(either_lake) == newer
    with pytest.raises(Refused, match="no version was live before"):
        back(either_lake)
    taken = withdrawals.withdrawn(either_lake, forced)
    assert taken is not None
    assert taken.sequence == 3


def test_back_is_to_what_was_published_last_however_often_that_was(
    either_lake: Store, tmp_path: Path
) -> None:
    """A night that comes to its first lists again after others."""
    first, second = go_live(either_lake, tmp_path, 0), go_live(either_lake, tmp_path, 1)
    assert go_live(either_lake, tmp_path, 0) == first
    go_live(either_lake, tmp_path, 2)
    assert back(either_lake) == first
    assert back(either_lake) == second


def test_what_never_was_live_or_is_not_whole_is_no_place_to_go_back_to(
    either_lake: Store, three: list[str]
) -> None:
    with pytest.raises(Refused, match="was never live"):
        back(either_lake, "2026-01-01-aaaaaaaaaaaa")
    key = f"{layout.version(three[1])}/top_n/part-00000.parquet"
    either_lake.write(key, either_lake.read(key)[:-1] + b"!")
    with pytest.raises(Refused, match="has been altered"):
        back(either_lake)
    assert open_current(either_lake.uri).name == three[2]


def test_nothing_is_no_place_to_go_back_from(lake: Store) -> None:
    with pytest.raises(Refused, match="nothing is published"):
        back(lake)


def test_a_held_version_is_released_with_why_it_was_held(either_lake: Store, tmp_path: Path) -> None:
    health = [{"severity": "stop", "holds": False, "sentence": "30% lost"}]
    verdict = write_checked(either_lake, tmp_path, health=health)
    entry = released(either_lake, NIGHT, verdict)
    assert (entry.action, entry.who, entry.why) == ("release", "ann", "looked at it, although 30% lost")
    assert open_current(either_lake.uri).name == verdict.version
    with pytest.raises(NothingToDo, match="unchanged"):
        released(either_lake, NIGHT, verdict)


def test_a_version_of_an_older_night_or_of_altered_files_is_not_released(lake: Store, tmp_path: Path) -> None:
    verdict = write_checked(lake, tmp_path)
    key = f"{layout.version(verdict.version)}/top_n/part-00000.parquet"
    whole = lake.read(key)
    lake.write(key, whole[:-1] + b"!")
    with pytest.raises(Refused, match="has been altered"):
        released(lake, NIGHT, verdict)
    lake.write(key, whole)
    go_live(lake, tmp_path / "newer", 1)
    with pytest.raises(NothingToDo, match="the newer night 2026-01-11 is live"):
        released(lake, NIGHT, verdict)


def test_nothing_changes_while_current_json_is_the_only_copy_of_the_newest_entry(
    either_lake: Store, tmp_path: Path, three: list[str]
) -> None:
    lake, newest = either_lake, layout.log_entry(3)
    entry = lake.read(newest)
    lake.delete([newest])
    for change in (
        lambda: go_live(lake, tmp_path, 3),
        lambda: back(lake),
        lambda: changes.untold(lake, "publish", three[1], "a test"),
    ):
        with pytest.raises(
            Refused, match=rf"entry 3 .* is lost, .*current\.json is its only copy .copy that to .*{newest}"
        ):
            change()
        assert lake.read(layout.CURRENT) == entry
        assert log.keys(lake)[-1] == layout.log_entry(2)
    lake.write(newest, lake.read(layout.CURRENT))
    assert list(verification.faults_of_log(lake)) == []
    assert open_current(lake.uri).name == three[2]
    lake.delete([newest, layout.CURRENT])
    assert back(lake) == three[0]


def test_a_copy_that_is_newer_than_a_listing_is_of_no_lost_entry(lake: Store, tmp_path: Path) -> None:
    """Somebody else's entry is made and copied between another's looks at the log and at current.json."""
    go_live(lake, tmp_path, 0)

    class Overtaken(FailingStore):
        def read(self, key: str) -> bytes:
            if key == layout.CURRENT and len(log.keys(self.inner)) == 1:
                go_live(self.inner, tmp_path, 1)
            return self.inner.read(key)

    assert log.lost(Overtaken(lake, at=99)) is None
