"""Retention applied: damaged lakes are refused, readers are told, a second run finds nothing more."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_tasks.commands import retention
from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.lake import floors, layout
from pipeline_tasks.lake.lease import Held, hold
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import catalogue, log, verification
from pipeline_tasks.reader import open_current, open_version
from pipeline_tasks.retention.applying import apply
from pipeline_tasks.retention.planning import Plan, plan
from tests.failing_store import content
from tests.retention.conftest import TWO
from tests.retention.lakes import SHORT, day


def test_a_dry_run_changes_nothing(lake: Store, versions: list[str], settings: Any) -> None:
    before = content(lake)
    found = plan(lake, settings)
    assert found is not None
    assert found.goes
    assert content(lake) == before
    assert not lake.keys("leases/")


def test_an_empty_lake_has_nothing_to_keep(either_lake: Store, settings: Any) -> None:
    assert plan(either_lake, settings) is None
    assert apply(either_lake, settings) is None


@pytest.mark.parametrize("name", ["nights", "versions"])
def test_nothing_is_removed_while_a_stage_or_a_change_of_what_is_live_is_at_work(
    lake: Store, versions: list[str], make_settings: Callable[..., Any], name: Any
) -> None:
    patience = {"wait_seconds": 0.2, "versions_wait_seconds": 0.2, "expires_seconds": 0.1}
    before = content(lake)
    with (
        hold(lake, name, make_settings().lease, "ann"),
        pytest.raises(Held, match=f"'{name}' is held by ann"),
    ):
        apply(lake, make_settings(**SHORT, retention=TWO, lease=patience))
    assert content(lake) == before


@pytest.mark.parametrize(
    ("words", "told", "removes"),
    [("", "", False), ("", "False", False), ("", "True", True), ("--apply", "", True)],
)
def test_the_command_removes_only_where_it_is_told_to(
    lake: Store,
    versions: list[str],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    told: str,
    removes: bool,
) -> None:
    monkeypatch.setenv("NIGHTJAR_APPLY", told)
    parser = ArgumentParser()
    retention.add_arguments(parser)
    before = content(lake)
    assert retention.run(settings, parser.parse_args(words.split())) == 0
    assert (content(lake) != before) == removes
    assert ("nothing has been removed" in capsys.readouterr().out) != removes


def test_a_damaged_decision_stops_it_before_anything_is_removed(
    lake: Store, versions: list[str], settings: Any
) -> None:
    lake.write(layout.champion(day(6)), b"{")
    before = content(lake)
    with pytest.raises(Refused, match=r"champions/run_date=2026-02-06.json cannot be read"):
        apply(lake, settings)
    assert content(lake) == before


def test_an_altered_manifest_of_what_serves_is_named(lake: Store, versions: list[str], settings: Any) -> None:
    live = log.newest(lake)
    assert live is not None
    key = f"{layout.version(live.version)}/manifest.json"
    lake.write(key, b"{}")
    before = content(lake)
    with pytest.raises(Refused, match=f"{key} has been altered"):
        apply(lake, settings)
    assert content(lake) == before


@pytest.mark.parametrize(
    "key",
    [
        layout.verdict(day(8)),
        f"{layout.night('clean/interactions', day(3))}/_commit.json",
        layout.record(day(8), "evaluate"),
        layout.log_entry(5),
    ],
)
def test_whatever_is_damaged_it_is_refused(lake: Store, versions: list[str], settings: Any, key: str) -> None:
    lake.write(key, b"{")
    with pytest.raises(Refused, match=r"is damaged|is no entry of the log"):
        plan(lake, settings)


def test_what_has_no_date_is_left_alone(lake: Store, versions: list[str], settings: Any) -> None:
    strange = ["raw/notes.txt", "models/champions/readme", "identity.json", "features/2026-13-45/x"]
    for key in strange:
        lake.write(key, b"!")
    apply(lake, settings)
    assert all(lake.exists(key) for key in strange)


def test_a_second_run_finds_nothing_more(lake: Store, versions: list[str], settings: Any) -> None:
    apply(lake, settings)
    after = content(lake)
    found = apply(lake, settings)
    assert found is not None
    assert found.goes == []
    assert content(lake) == after


def test_who_reads_meanwhile_reads_what_is_live_or_is_told_that_its_version_has_gone(
    lake: Store, versions: list[str], settings: Any
) -> None:
    old, live = open_version(lake.uri, versions[0]), open_current(lake.uri)
    rows = live.to_arrow("top_n")
    apply(lake, settings)
    assert live.to_arrow("top_n").equals(rows)
    with pytest.raises(NightjarError, match=r"top_n/part-00000.parquet has gone"):
        old.to_arrow("top_n")
    with pytest.raises(Refused, match="there is no"):
        open_version(lake.uri, versions[0])
    assert list(verification.faults_of_log(lake)) == []
    assert [each.name for each in catalogue.listed(lake)] == versions[:4:-1]


def test_nights_that_were_removed_are_refused_and_the_floor_never_sinks(
    lake: Store, versions: list[str], settings: Any, make_settings: Callable[..., Any]
) -> None:
    apply(lake, settings)
    assert floors.read(lake) == day(7)
    floors.refuse_below(lake, day(7))
    with pytest.raises(
        Refused, match=r"night 2026-02-06 can no longer be run again.*the oldest that can is 2026-02-07"
    ):
        floors.refuse_below(lake, day(6))
    later: Plan | None = apply(lake, make_settings(**SHORT))
    assert later is not None
    assert later.floor == floors.read(lake) == day(7)
