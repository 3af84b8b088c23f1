"""A held version is released after what can be had is read again, and refused where it has gone stale."""

import shutil
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.commands import release as command
from pipeline_tasks.errors import NothingToDo, Refused
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log, verdicts, waiting
from pipeline_tasks.publishing.log import Change
from pipeline_tasks.reader import Version, open_current, open_version
from pipeline_tasks.releasing import release
from pipeline_tasks.settings import RulesSettings
from pipeline_tasks.stages import publish
from tests.lists import NIGHT
from tests.stages.published_night import HEALTH, write_checked
from tests.stages.staged_night import SETTINGS, rename_available, write_source, write_staged
from tests.test_online import online


@pytest.fixture
def checked(lake: Store, make_settings: Callable[..., Any], tmp_path: Path) -> tuple[Any, str]:
    """Settings of a lake whose night has been checked, and its version."""
    from pipeline_tasks.stages import check

    write_source(tmp_path / "data")
    write_staged(lake, tmp_path / "staged")
    settings = make_settings(**SETTINGS)
    return settings, check.run(settings, NIGHT).facts["version"]


def test_the_newest_that_waits_is_released_and_its_lists_are_put_online(
    lake: Store, checked: tuple[Any, str], make_settings: Callable[..., Any]
) -> None:
    _, version = checked
    settings = make_settings(**SETTINGS, publish={"online": True})
    entry = release(settings, None, "looked at it")
    user = open_current(lake.uri).to_arrow("top_n", ["user_id"])["user_id"][0].as_py()
    assert online(settings, version, user) == [[row["item_id"] for row in open_current(lake.uri).top_n(user)]]
    assert (entry.version, entry.action, entry.why) == (version, "release", "looked at it")
    assert log.newest(lake) == entry
    with pytest.raises(NothingToDo, match="no version waits"):
        release(settings, None, "")
    with pytest.raises(NothingToDo, match="unchanged"):
        release(settings, version, "")


def test_a_release_warns_where_no_row_says_any_more_whether_its_item_is_available(
    checked: tuple[Any, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, version = checked
    rename_available(tmp_path / "data")
    assert release(settings, version, "").version == version
    assert (
        "warning: items.available is mapped to 'available', which no row has: every item counts as available"
        in capsys.readouterr().err
    )


def test_of_two_that_wait_the_one_that_the_environment_names_is_released(
    lake: Store, checked: tuple[Any, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, version = checked
    write_checked(lake, tmp_path / "next", NIGHT + timedelta(days=1))
    monkeypatch.setenv("NIGHTJAR_VERSION", version)
    parser = ArgumentParser()
    command.add_arguments(parser)
    assert command.run(settings, parser.parse_args([])) == 0
    assert [entry.version for entry in log.history(lake)] == [version]


def test_who_is_asked_reads_what_holds_it_back_and_what_was_warned_of(lake: Store, tmp_path: Path) -> None:
    write_checked(lake, tmp_path, health=[HEALTH], warnings=["scores lie elsewhere"])
    lines = waiting.asked(lake, None)["text"].splitlines()
    assert lines[1:] == ["- **holds it back:** 30% lost", "- warning: scores lie elsewhere"]


def test_lists_of_a_night_before_the_live_one_are_not_put_online(
    lake: Store, checked: tuple[Any, str], make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    _, version = checked
    user = open_version(lake.uri, version).to_arrow("top_n", ["user_id"])["user_id"][0].as_py()
    following = NIGHT + timedelta(days=1)
    write_checked(lake, tmp_path / "next", following)
    publish.run(make_settings(), following)
    settings = make_settings(**SETTINGS, publish={"online": True})
    with pytest.raises(NothingToDo, match=f"the newer night {following} is live"):
        release(settings, version, "")
    assert online(settings, version, user) == [None]


def test_a_version_of_a_night_before_the_live_one_is_not_offered_for_approval(
    lake: Store, tmp_path: Path
) -> None:
    nights = [NIGHT + timedelta(days=days) for days in range(3)]
    names = [write_checked(lake, tmp_path / str(night), night).version for night in nights]
    assert waiting.asked(lake, None)["version"] == names[2]
    sha256 = verdicts.require_passed(lake, nights[1]).manifest_sha256
    change = Change(names[1], str(nights[1]), sha256, "publish", "a test", "a night")
    log.append(lake, change, lambda live: None)
    assert waiting.asked(lake, None)["version"] == names[2]
    write_checked(lake, tmp_path / "broken", nights[2], passed=False)
    with pytest.raises(NothingToDo, match="no version waits"):
        waiting.asked(lake, None)
    with pytest.raises(NothingToDo, match=f"the newer night {nights[1]} is live"):
        waiting.asked(lake, names[0])


def test_a_night_that_cannot_go_live_is_refused_before_anything_is_read(
    lake: Store, checked: tuple[Any, str], make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    settings, version = checked
    following = NIGHT + timedelta(days=1)
    write_checked(lake, tmp_path / "next", following)
    publish.run(make_settings(), following)
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(NothingToDo, match=f"the newer night {following} is live"):
        release(settings, version, "")


def test_lists_are_looked_through_once_and_only_where_something_may_speak_against_them(
    checked: tuple[Any, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, version = checked
    looked: list[tuple[str, list[str] | None]] = []

    def batches(self: Version, table: str, columns: list[str] | None = None, rows: int = 1) -> Any:
        looked.append((table, columns))
        return whole(self, table, columns, rows)

    whole = Version.batches
    monkeypatch.setattr(Version, "batches", batches)
    monkeypatch.delattr(Version, "to_arrow")
    with pytest.raises(Refused, match="3 places of top_n"):
        release(settings.model_copy(update={"rules": RulesSettings(blocked_users=["ann"])}), version, "")
    assert looked == [("top_n", ["user_id", "item_id"])]
    looked.clear()
    sold = {"item": "i2", "updated_at": "2026-01-20T08:00:00Z", "available": False}
    write_source(tmp_path / "data", [sold])
    with pytest.raises(Refused, match="has gone stale"):
        release(settings, version, "")
    assert looked[0] == ("top_n", ["item_id"])
    looked.clear()
    write_source(tmp_path / "data")
    assert release(settings, version, "").version == version
    assert not looked


def test_an_item_that_sold_out_since_makes_it_stale(
    lake: Store, checked: tuple[Any, str], tmp_path: Path
) -> None:
    settings, version = checked
    sold = {"item": "i2", "updated_at": "2026-01-20T08:00:00Z", "available": False}
    write_source(tmp_path / "data", [sold])
    with pytest.raises(
        Refused, match=rf"{version} has gone stale: 2 places of top_n .* as 'i2'.*run check for 2026"
    ):
        release(settings, version, "")
    assert log.newest(lake) is None


def test_what_was_blocked_since_is_not_released(
    lake: Store, checked: tuple[Any, str], make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    _, version = checked
    (tmp_path / "data" / "blocked.csv").write_text("user_id,item_id\nann,i3\nbob,i1\n")
    for rules, said in (
        ({"blocked_items": ["i2"]}, "2 places of top_n"),
        ({"blocked_users": ["ann"]}, "3 places of top_n"),
        ({"blocked": "blocked.csv"}, "1 places of top_n"),
    ):
        with pytest.raises(Refused, match=f"{said} in version {version} are blocked since"):
            release(make_settings(**SETTINGS, rules=rules), version, "")
    assert log.newest(lake) is None


def test_what_cannot_be_released_says_why(lake: Store, checked: tuple[Any, str], tmp_path: Path) -> None:
    from pipeline_tasks.stages import check

    settings, version = checked
    with pytest.raises(Refused, match=rf"no version '2026-01-01-x'.*the newest are {version}"):
        release(settings, "2026-01-01-x", "")
    write_source(
        tmp_path / "data", [{"item": "i2", "updated_at": "2026-01-10T08:00:00Z", "available": False}]
    )
    again = check.run(settings, NIGHT).facts["version"]
    with pytest.raises(Refused, match="its night has been made again since"):
        release(settings, version, "")
    assert release(settings, again, "").version == again
    following = NIGHT + timedelta(days=1)
    write_staged(lake, tmp_path / "next", following)
    assert release(settings, check.run(settings, following).facts["version"], "").sequence == 2
    with pytest.raises(Refused, match="it was live before: rollback --to it"):
        release(settings, again, "")
