"""How a night ended is told alike later on: when a newer night has followed, and once retention has removed its verdict."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, records
from pipeline_tasks.lake.store import Store
from pipeline_tasks.notifying.message import write_message
from pipeline_tasks.publishing import changes
from pipeline_tasks.publishing.verdicts import Verdict
from pipeline_tasks.reporting import morning
from pipeline_tasks.reporting.ending import CHAIN, Ending, ending
from pipeline_tasks.reporting.summary import collect
from pipeline_tasks.reporting.verdict import told
from pipeline_tasks.stages import outcome, publish
from tests.lists import NIGHT
from tests.stages.published_night import HEALTH, record, write_checked, write_records

NEXT = NIGHT + timedelta(days=1)
REFUSED = {"status": "refused", "reason": "version v is held: 30% lost"}
NOTHING = {"status": "nothing", "reason": "nothing to publish"}
FORCED: dict[str, Any] = {"mode": "force", "why": "the newer lists are wrong"}


def ended(lake: Store, mode: str = "auto") -> Ending:
    return ending(lake, NIGHT, records.read_night(lake, NIGHT), mode)


def write_night(lake: Store, verdict: Verdict, published: dict[str, Any] | None = None) -> None:
    """Write the records of a night whose check says what its verdict does."""
    facts = {"version": verdict.version, "health": verdict.health, "warnings": verdict.warnings}
    write_records(lake, check={"facts": facts}, publish=published or {})


def remove(lake: Store, verdict: Verdict) -> None:
    """Remove the version and its verdict, as retention does."""
    lake.delete([layout.verdict(NIGHT), *lake.keys(f"{layout.version(verdict.version)}/")])


@pytest.mark.parametrize(
    ("published", "mode", "health", "state"),
    [({}, "auto", [], "live"), (NOTHING, "auto", [], "past"), (REFUSED, "auto", [HEALTH], "live"),
     (NOTHING, "off", [], "unpublished"), (NOTHING, "hold", [], "unpublished"), (REFUSED, "auto", [HEALTH], "held")],
)  # fmt: skip
def test_a_night_ends_alike_once_retention_has_removed_its_verdict(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path,
    published: dict[str, Any], mode: str, health: list[dict[str, Any]], state: str,
) -> None:  # fmt: skip
    verdict = write_checked(lake, tmp_path / "night", health=health)
    write_night(lake, verdict, published)
    if state in ("live", "past"):
        changes.release(lake, NIGHT, verdict, "ann", "looked at it")
    write_checked(lake, tmp_path / "next", NEXT)
    publish.run(make_settings(), NEXT)
    before = ended(lake, mode)
    assert (before.state, before.version) == (state, verdict.version)
    remove(lake, verdict)
    assert ended(lake, mode) == before


def test_the_page_of_a_night_whose_version_has_gone_says_nothing_of_another(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    verdict = write_checked(lake, tmp_path / "night", warnings=["few users"])
    publish.run(make_settings(), NIGHT)
    write_night(lake, verdict)
    write_checked(lake, tmp_path / "next", NEXT)
    publish.run(make_settings(), NEXT)
    remove(lake, verdict)
    summary = collect(lake, make_settings(), NIGHT)
    assert (summary.state, summary.version) == ("live", verdict.version)
    assert (summary.users, summary.rows, summary.warnings) == (None, {}, ["few users"])
    assert any("the version could not be read" in note for note in summary.notes)
    assert outcome.run(make_settings(), NIGHT).summary == f"live: {verdict.version}, entry 1 of the log"


def test_a_held_version_that_was_released_replaced_and_made_again_is_held_once_more(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    lists = {"ann": ["i1"], "bob": ["i2"]}
    held = write_checked(lake, tmp_path / "held", health=[HEALTH])
    changes.release(lake, NIGHT, held, "ann", "looked at it")
    other = write_checked(lake, tmp_path / "other", lists=lists)
    publish.run(make_settings(), NIGHT)
    write_checked(lake, tmp_path / "again", health=[HEALTH])
    write_records(lake, publish=REFUSED)
    found = ended(lake)
    assert (found.state, found.at, found.serves) == ("held", "publish", other.version)
    with pytest.raises(Refused, match=f"version v is held: 30% lost .consumers still read {other.version}"):
        outcome.run(make_settings(), NIGHT)
    changes.roll_back(lake, held.version, "ann", "it was right")
    assert outcome.run(make_settings(), NIGHT).summary == f"live: {held.version}, entry 3 of the log"


@pytest.mark.parametrize("released", [False, True])
def test_a_night_over_which_an_older_one_was_forced_is_live_no_more(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path, released: bool
) -> None:
    before = NIGHT - timedelta(days=1)
    older = write_checked(lake, tmp_path / "before", before).version
    verdict = write_checked(lake, tmp_path / "night", health=[HEALTH] if released else [])
    changes.release(lake, NIGHT, verdict, "ann", "looked at it")
    write_records(lake, publish=REFUSED if released else {})
    assert ended(lake).state == "live"
    publish.run(make_settings(publish=FORCED), before)
    found = ended(lake)
    assert (found.state, found.ok) == ("past", not released)
    assert found.line == f"{verdict.version} was live before, and {older} is live"
    assert collect(lake, make_settings(), NIGHT).state == "past"
    write_checked(lake, tmp_path / "next", NEXT)
    publish.run(make_settings(), NEXT)
    assert ended(lake).line == f"{verdict.version}, entry 1 of the log"


def test_the_older_night_that_was_forced_is_live(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    write_checked(lake, tmp_path / "next", NEXT)
    publish.run(make_settings(), NEXT)
    version = write_checked(lake, tmp_path / "night").version
    publish.run(make_settings(publish=FORCED), NIGHT)
    write_records(lake)
    assert ended(lake, "force").line == f"{version}, entry 2 of the log"


def test_a_version_that_is_live_is_not_held_once_its_check_is_run_again(lake: Store, tmp_path: Path) -> None:
    verdict = write_checked(lake, tmp_path / "night", health=[HEALTH])
    write_records(lake, publish=REFUSED)
    records.write(lake, record("check", hours=5))
    line = "publish left no record after check ran: it could not begin, was killed, or was not reached: see its log"
    assert (ended(lake).state, ended(lake).line) == ("held", line)
    changes.release(lake, NIGHT, verdict, "ann", "looked at it")
    found = ended(lake)
    assert (found.state, found.line, found.serves) == ("failed", line, verdict.version)


@pytest.mark.parametrize("stage", ["report", "outcome"])
def test_a_damaged_record_that_decides_nothing_changes_no_ending(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path, stage: str
) -> None:
    version = write_checked(lake, tmp_path / "night").version
    publish.run(make_settings(), NIGHT)
    write_records(lake)
    lake.write(layout.record(NIGHT, stage), b"{")
    summary = collect(lake, make_settings(), NIGHT)
    assert (summary.state, summary.version, len(summary.stages)) == ("live", version, len(CHAIN))
    assert f"runs/{NIGHT}/{stage}.json is damaged" in summary.notes[0]
    assert outcome.run(make_settings(), NIGHT).summary == f"live: {version}, entry 1 of the log"
    assert write_message(make_settings(), NIGHT, "ended").subject == f"Nightjar: night {NIGHT} is live"


def test_of_a_night_with_a_damaged_record_the_page_says_which_and_shows_the_rest(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    version = write_checked(lake, tmp_path / "night").version
    publish.run(make_settings(), NIGHT)
    write_records(lake, evaluate={"facts": {"metrics": {"popular": {"ndcg@10": 0.05}}}})
    lake.write(layout.record(NIGHT, "train"), b"{")
    content = morning.collect(lake, make_settings(), NIGHT).content
    word, line = told(content).word, told(content).line
    assert (word, content["at"], content["version"], content["live"]) == ("Unknown", None, None, version)
    assert line.startswith(f"How it ended cannot be told: {lake.uri}/runs/{NIGHT}/train.json is damaged: ")
    assert line.endswith(f"(run train for {NIGHT} again, or remove the record).")
    assert content["notes"][0].startswith(f"a record could not be read: {lake.uri}/runs/{NIGHT}/train.json")
    assert content["metrics"] == {"popular": {"ndcg@10": 0.05}}
