"""A night that is run again after later ones: whose event it is stays known."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.tables import Commit
from pipeline_tasks.running import run_stage
from pipeline_tasks.stages.preprocess.numbering import covers, uncovered
from tests.sources_on_disk import declare, write_interactions

pytestmark = pytest.mark.usefixtures("spark")
MADE = ("ingest", "validate", "preprocess")


def night(number: int) -> date:
    return date(2026, 1, number)


def run(settings: Any, number: int, *more: str) -> None:
    assert [run_stage(settings, stage, night(number)) for stage in (*MADE, *more)] == [0] * (3 + len(more))


def histories(lake: Any, number: int) -> dict[str, list[str]]:
    """Return each user's items as the models of the night read them."""
    made = {
        name: tables.read_table(lake, layout.night(f"training/{name}", night(number)), "dataset").to_pylist()
        for name in ("users", "items", "sequences")
    }
    users = {row["user_index"]: row["user_id"] for row in made["users"]}
    items = {row["item_index"]: row["item_id"] for row in made["items"]}
    return {users[row["user_index"]]: [items[item] for item in row["items"]] for row in made["sequences"]}


def test_events_are_looked_through_that_a_vocabulary_may_lack() -> None:
    made = {night(number): Commit(number, {}) for number in (10, 11, 12)}
    again = {**made, night(10): Commit(7, {})}
    upto = {number: covers(dict(list(made.items())[:number])) for number in range(4)}
    assert uncovered({}, None) == []
    assert uncovered(made, None) == list(made)
    for number in range(4):
        assert uncovered(made, upto[number]) == list(made)[number:]
    assert uncovered(again, upto[2]) == list(made)
    assert uncovered(made, covers(again)) == list(made)


def test_a_new_night_after_one_that_was_mended_and_run_again(
    make_settings: Any, lake: Any, tmp_path: Path
) -> None:
    settings = make_settings(**declare(), features={"snapshots": 1})
    rows = ["ann,kettle,view,2026-01-10T12:00:00Z", "zoe,zebra-mask,view,2026-01-10T12:00:00Z"]
    rows += ["ann,kettle,view,2026-01-11T12:00:00Z", "bob,tent,view,2026-01-11T12:00:00Z"]
    rows += ["ann,tent,view,2026-01-12T12:00:00Z"]
    write_interactions(tmp_path / "data", *rows)
    run(settings, 10)
    run(settings, 11)
    write_interactions(tmp_path / "data", "carl,axe,view,2026-01-10T13:00:00Z", *rows)
    run(settings, 10)
    assert run_stage(settings, "preprocess", night(11)) == 0  # its own arrivals are as they were validated
    run(settings, 12, "features", "dataset")
    assert histories(lake, 12) == {
        "ann": ["kettle", "kettle", "tent"],
        "bob": ["tent"],
        "carl": ["axe"],
        "zoe": ["zebra-mask"],
    }
