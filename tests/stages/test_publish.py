"""Publishing appends one entry for a night that passed, once, and never goes back."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest

from pipeline_tasks.errors import NothingToDo, Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store, StoreError
from pipeline_tasks.publishing import changes, log
from pipeline_tasks.publishing.who import who
from pipeline_tasks.reader import open_current
from pipeline_tasks.stages import publish
from tests.failing_store import FailingStore, Killed, content
from tests.lists import NIGHT
from tests.stages.published_night import HEALTH, write_checked

NEXT = NIGHT + timedelta(days=1)


def be_run(monkeypatch: pytest.MonkeyPatch, run: str) -> None:
    """Let this process be a task of an Airflow run."""
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "nightly")
    monkeypatch.setenv("AIRFLOW_CTX_DAG_RUN_ID", run)


def test_a_checked_night_goes_live_with_one_entry(
    either_lake: Store, make_settings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_run(monkeypatch, "manual__1")
    verdict = write_checked(either_lake, tmp_path)
    report = publish.run(make_settings(lake=either_lake.uri), NIGHT)
    entry = log.newest(either_lake)
    assert entry is not None
    assert (entry.sequence, entry.version, entry.run_date) == (1, verdict.version, "2026-01-10")
    assert (entry.action, entry.who) == ("publish", "airflow nightly manual__1")
    assert entry.manifest_sha256 == verdict.manifest_sha256
    assert report.rows == {"top_n": 4, "similar_items": 1, "popular": 2}
    assert [row["item_id"] for row in open_current(either_lake.uri).top_n("bob")] == ["i2", "i1"]


def test_the_same_night_again_adds_nothing(
    either_lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    write_checked(either_lake, tmp_path)
    settings = make_settings(lake=either_lake.uri)
    publish.run(settings, NIGHT)
    before = content(either_lake)
    with pytest.raises(NothingToDo, match="unchanged"):
        publish.run(settings, NIGHT)
    assert content(either_lake) == before


def test_an_airflow_run_is_done_however_often_its_task_is_tried_and_another_run_has_nothing_to_do(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its task may die after the entry and its copy are written; a task that is done wakes consumers, a skipped one not."""
    be_run(monkeypatch, "scheduled__1")
    write_checked(lake, tmp_path)
    first = publish.run(make_settings(), NIGHT)
    before = content(lake)
    assert publish.run(make_settings(), NIGHT) == first
    be_run(monkeypatch, "manual__2")
    with pytest.raises(NothingToDo, match="unchanged"):
        publish.run(make_settings(), NIGHT)
    assert content(lake) == before


def test_a_run_that_is_not_to_publish_does_not(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    write_checked(lake, tmp_path)
    before = content(lake)
    with pytest.raises(NothingToDo, match="stays unpublished: publish is off"):
        publish.run(make_settings(publish={"mode": "off"}), NIGHT)
    assert content(lake) == before


def test_a_night_before_the_live_one_stays_away(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    newer = write_checked(lake, tmp_path / "a", NEXT)
    publish.run(make_settings(), NEXT)
    write_checked(lake, tmp_path / "b", NIGHT)
    with pytest.raises(NothingToDo, match="newer night 2026-01-11 is live"):
        publish.run(make_settings(), NIGHT)
    assert open_current(lake.uri).name == newer.version


def test_what_failed_its_check_is_refused(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    write_checked(lake, tmp_path, passed=False, failures=[{"reason": "top_n: rank fails 3 times"}])
    with pytest.raises(Refused, match="failed its check: top_n: rank fails 3 times"):
        publish.run(make_settings(), NIGHT)
    assert log.newest(lake) is None


def test_what_was_not_checked_is_refused(lake: Store, make_settings: Callable[..., Any]) -> None:
    with pytest.raises(Refused, match=r"night 2026-01-10 has no checked version.*run check"):
        publish.run(make_settings(), NIGHT)


def test_lists_that_changed_after_their_check_are_refused(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    write_checked(lake, tmp_path)
    tables.write_table(lake, layout.night("staged/top_n", NIGHT), pa.table({"rank": [2]}))
    with pytest.raises(Refused, match="staged/top_n of 2026-01-10 has changed since it was checked"):
        publish.run(make_settings(), NIGHT)


@pytest.mark.parametrize("harm", ["altered", "missing"])
def test_a_file_that_is_not_what_was_checked_is_noticed(
    either_lake: Store, make_settings: Callable[..., Any], tmp_path: Path, harm: str
) -> None:
    verdict = write_checked(either_lake, tmp_path)
    key = f"{layout.version(verdict.version)}/top_n/part-00000.parquet"
    if harm == "altered":
        either_lake.write(key, either_lake.read(key)[:-1] + b"!")
    else:
        either_lake.delete([key])
    with pytest.raises(Refused, match=harm):
        publish.run(make_settings(lake=either_lake.uri), NIGHT)
    assert log.newest(either_lake) is None


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [Killed(), StoreError("the store does not answer")])
def test_a_crash_at_any_write_leaves_a_whole_version_live_and_a_retry_tells_consumers(
    lake: Store,
    make_settings: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    when: Literal["before", "after"],
    error: BaseException,
) -> None:
    settings = make_settings()
    be_run(monkeypatch, "scheduled__1")
    nights = [NIGHT + timedelta(days=days) for days in range(3)]
    write_checked(lake, tmp_path / "old", nights[0])
    publish.run(settings, nights[0])
    for at, night in enumerate(nights[1:], start=1):
        verdict = write_checked(lake, tmp_path / str(night), night)
        broken = FailingStore(lake, at, when, error)
        lost_reply = when == "after" and isinstance(error, StoreError)
        with monkeypatch.context() as patched, nullcontext() if lost_reply else pytest.raises(type(error)):
            patched.setattr(publish, "open_store", lambda uri, broken=broken: broken)
            publish.run(settings, night)
        assert open_current(lake.uri).to_arrow("top_n").num_rows == 4
        assert verdict.version in publish.run(settings, night).summary
        assert open_current(lake.uri).name == verdict.version
        assert lake.read(layout.CURRENT) == lake.read(layout.log_entry(at + 1))
    assert [entry.sequence for entry in log.history(lake)] == [1, 2, 3]


def test_without_a_user_name_there_is_still_a_who(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.delenv("AIRFLOW_CTX_DAG_ID", raising=False)
    monkeypatch.setattr("getpass.getuser", nobody)
    assert who().startswith("uid ")


def test_what_its_health_holds_back_waits_and_says_how_to_release_it(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    verdict = write_checked(lake, tmp_path, health=[HEALTH])
    with pytest.raises(
        Refused, match=f"{verdict.version} is held: 30% lost.*release --version {verdict.version}"
    ):
        publish.run(make_settings(), NIGHT)
    assert log.newest(lake) is None


def test_a_warning_holds_nothing_back(lake: Store, make_settings: Callable[..., Any], tmp_path: Path) -> None:
    write_checked(lake, tmp_path, health=[{**HEALTH, "severity": "warn"}, {**HEALTH, "holds": True}])
    publish.run(make_settings(), NIGHT)
    assert log.newest(lake) is not None


def test_a_night_is_held_where_that_is_asked(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    write_checked(lake, tmp_path)
    with pytest.raises(NothingToDo, match="is held, as asked"):
        publish.run(make_settings(publish={"mode": "hold"}), NIGHT)
    assert log.newest(lake) is None


def test_a_forced_night_goes_live_with_who_why_and_in_spite_of_what(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    write_checked(lake, tmp_path / "a", NEXT)
    publish.run(make_settings(), NEXT)
    write_checked(lake, tmp_path / "b", health=[HEALTH])
    with pytest.raises(Refused, match="forced without a reason"):
        publish.run(make_settings(publish={"mode": "force"}), NIGHT)
    publish.run(make_settings(publish={"mode": "force", "why": "the shop was split"}), NIGHT)
    entry = log.newest(lake)
    assert entry is not None
    assert (entry.sequence, entry.run_date, entry.action) == (2, str(NIGHT), "publish")
    assert entry.why == "forced: the shop was split, although 30% lost"


def test_a_run_that_forced_its_night_does_not_undo_what_somebody_did_after_it(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its task may be cleared at any time, to tell consumers once more."""
    forced = make_settings(publish={"mode": "force", "why": "the shop was split"})
    be_run(monkeypatch, "manual__1")
    first = write_checked(lake, tmp_path / "first").version
    told = publish.run(forced, NIGHT)
    assert publish.run(forced, NIGHT) == told
    release = write_checked(lake, tmp_path / "next", NEXT)
    changes.release(lake, NEXT, release, "ann", "looked at it")
    undone = f"unchanged: this run made {first} live in entry 1; {release.version} went live after it"
    with pytest.raises(NothingToDo, match=undone):
        publish.run(forced, NIGHT)
    changes.roll_back(lake, first, "ann", "it was better")
    changes.roll_back(lake, release.version, "ann", "it was not")
    with pytest.raises(NothingToDo, match=undone):
        publish.run(forced, NIGHT)
    be_run(monkeypatch, "manual__2")
    publish.run(forced, NIGHT)
    assert [entry.version for entry in log.history(lake)][-2:] == [release.version, first]


def test_a_run_that_forces_its_night_goes_on_to_other_versions_and_back(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced = make_settings(publish={"mode": "force", "why": "the shop was split"})
    be_run(monkeypatch, "manual__1")
    names = []
    for lists in ({"ann": ["i1", "i2"]}, {"ann": ["i2", "i1"]}, {"ann": ["i1", "i2"]}):
        names.append(write_checked(lake, tmp_path / str(len(names)), NIGHT, lists).version)
        publish.run(forced, NIGHT)
    assert names[0] == names[2] != names[1]
    assert [entry.version for entry in log.history(lake)] == names


def test_a_rerun_of_a_night_that_was_released_is_unchanged(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    verdict = write_checked(lake, tmp_path, health=[HEALTH])
    changes.release(lake, NIGHT, verdict, "ann", "looked at it")
    with pytest.raises(NothingToDo, match="unchanged"):
        publish.run(make_settings(), NIGHT)


def test_nothing_forces_what_breaks_its_contract(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    write_checked(lake, tmp_path, passed=False, failures=[{"reason": "top_n: rank fails 3 times"}])
    with pytest.raises(Refused, match="failed its check"):
        publish.run(make_settings(publish={"mode": "force", "why": "please"}), NIGHT)


def test_what_was_rolled_back_is_not_published_again_by_a_rerun(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    for night in (NIGHT, NEXT):
        write_checked(lake, tmp_path / str(night), night)
        publish.run(make_settings(), night)
    changes.roll_back(lake, None, "ann", "bad lists")
    with pytest.raises(Refused, match="was rolled back by ann in entry 3: bad lists"):
        publish.run(make_settings(), NEXT)
    with pytest.raises(NothingToDo, match="publish is off"):  # nobody asked for it to go live
        publish.run(make_settings(publish={"mode": "off"}), NEXT)
    publish.run(make_settings(publish={"mode": "force", "why": "they were good"}), NEXT)
    assert [entry.action for entry in log.history(lake)] == ["publish", "publish", "rollback", "publish"]
