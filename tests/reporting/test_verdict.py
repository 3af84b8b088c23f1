"""The page's verdict: how a night ended, who decided so and why, and what consumers read."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.lake import records
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import changes
from pipeline_tasks.reporting import card, morning, page, summary, verdict
from pipeline_tasks.stages import publish
from tests.lists import NIGHT
from tests.reporting.reading import Reader
from tests.reporting.report_night import write_whole
from tests.stages.published_night import HEALTH, record, write_checked, write_records


def test_a_refused_night_says_so_first_and_shows_what_is_known(
    lake: Store, settings: Any, tmp_path: Path
) -> None:
    version = write_whole(lake, settings, tmp_path / "files")
    records.write(lake, record("ingest", hours=5))
    reason = "items: 40 prices are negative"
    records.write(lake, record("validate", hours=5, status="refused", reason=reason))
    content = morning.collect(lake, settings, NIGHT).content
    shown = Reader(page.render(content)).text
    assert "Refused Validate refused: items: 40 prices are negative." in shown
    assert f"Consumers still read {version}." in shown
    assert (content["online"], content["drift"], content["mix"]) == (None, None, None)
    assert content["absent"]["drift"] == "features has not run"
    assert "Features has not run." in shown


def test_a_held_night_shows_its_own_lists_and_waits(lake: Store, settings: Any, tmp_path: Path) -> None:
    write_checked(lake, tmp_path / "files")
    write_records(lake, publish={"status": "nothing", "reason": "held, as asked"})
    held = settings.model_copy(update={"publish": type(settings.publish)(mode="hold")})
    shown = Reader(page.render(morning.collect(lake, held, NIGHT).content)).text
    assert "Held" in shown
    assert "waits to be released. Nothing is published yet." in shown


def test_a_forced_night_says_who_forced_it_why_and_in_spite_of_what(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checked(lake, tmp_path, health=[HEALTH], warnings=["few users"])
    monkeypatch.setattr(publish, "who", lambda: "ann")
    forced = make_settings(publish={"mode": "force", "why": "the shop was split"})
    made = publish.run(forced, NIGHT)
    assert (made.facts["who"], made.facts["why"]) == ("ann", "forced: the shop was split, although 30% lost")
    unchanged = {"status": "nothing", "reason": "unchanged"}  # its record does not know who published it
    for again in ({}, unchanged):
        write_records(lake, check={"facts": {"health": [HEALTH]}}, publish=again)
        content = json.loads(json.dumps(morning.collect(lake, forced, NIGHT).content))
        assert content["entry"] == {
            "sequence": 1,
            "action": "publish",
            "who": "ann",
            "why": made.facts["why"],
        }
        said = "It was forced by ann: the shop was split, although 30% lost; it has 1 warning."
        shown = Reader(page.render(content)).text
        assert said in shown
        assert "passed its check" not in shown


def test_a_night_that_was_held_and_then_released_says_who_released_it(
    lake: Store, settings: Any, tmp_path: Path
) -> None:
    verdict = write_checked(lake, tmp_path, health=[HEALTH])
    refused = {"status": "refused", "reason": f"version {verdict.version} is held: 30% lost"}
    write_records(lake, check={"facts": {"health": [HEALTH]}}, publish=refused)
    assert "Held" in Reader(page.render(morning.collect(lake, settings, NIGHT).content)).text
    changes.release(lake, NIGHT, verdict, "ann", "the sale explains it")
    shown = Reader(page.render(morning.collect(lake, settings, NIGHT).content)).text
    assert f"Published {verdict.version}, entry 1 of the log. It was released by ann: the sale" in shown
    assert "Consumers still read" not in shown
    newer = write_checked(lake, tmp_path / "next", NIGHT + timedelta(days=1)).version
    publish.run(settings, NIGHT + timedelta(days=1))
    write_records(lake, check={"facts": {"health": [HEALTH]}}, publish={"status": "nothing"})
    shown = Reader(page.render(morning.collect(lake, settings, NIGHT).content)).text
    assert (
        f"No longer live {verdict.version} was live before, and {newer} is live. It was released by ann"
        in shown
    )
    assert "would hold it back" not in shown


@pytest.mark.parametrize(
    ("entry", "holds", "said"),
    [({"action": "publish", "who": "ann", "why": "forced: an older night"}, True,
      "It passed its check and was forced by ann: an older night."),
     ({"action": "rollback", "who": "bob", "why": "bad lists"}, False,
      "It was made live again by bob: bad lists, although 30% lost."),
     ({"action": "publish", "who": "ann", "why": "night 2026-01-10 passed its check"}, True, "It passed its check."),
     (None, False, "Its health would hold it back: 30% lost.")],
)  # fmt: skip
def test_what_was_overridden_is_said(entry: dict[str, str] | None, holds: bool, said: str) -> None:
    content = {"state": "live", "verdict": "v", "entry": entry, "health": [{**HEALTH, "holds": holds}]}
    assert verdict.told(content).why == said


def test_of_a_night_whose_ending_cannot_be_read_nothing_is_claimed(
    lake: Store, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OSError("bad disk")

    monkeypatch.setattr(summary, "ending", broken)
    content = json.loads(json.dumps(morning.collect(lake, settings, NIGHT).content))
    assert verdict.told(content) == verdict.Told("Unknown", "bad", "", "")
    assert "the ending could not be read: bad disk" in Reader(page.render(content)).text
    assert card.draw(content)
