"""A night's lists in a benchmark's numbers: users and items are matched by their ids, whatever the night calls them."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import second_stage
from benchmarks.nights import Nights
from benchmarks.second_stage import SecondStage
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.models.data import Histories
from pipeline_tasks.settings import night_end
from pipeline_tasks.stages import train
from tests.ranking_night import ITEMS, USERS, write_ranking_night
from tests.training_night import NIGHT

CUT = int(night_end(NIGHT).timestamp())
QUICK = {
    "train.dim": "16",
    "train.epochs": "4",
    "train.batch_events": "64",
    "train.learning_rate": "0.01",
    "train.device": "cpu",
    "dataset.holdout_min_users": "10",
    "ranking.candidates": "40",
    "ranking.epochs": "10",
    "ranking.learning_rate": "0.01",
}


class Ready(Nights):
    """Nights whose tables are there already: only train is to be run."""

    def run(self, night: date, upto: str) -> None:
        assert (night, upto) == (NIGHT, "train")
        write_ranking_night(self.lake)
        train.run(self.settings().model_copy(update={"lake": self.lake.uri}), night)

    def facts(self, night: date, stage: str) -> dict[str, Any]:
        return {}


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SecondStage:
    """Ids of the files in the other order than the night's; one user and one item that the night does not know."""
    monkeypatch.setattr(second_stage, "Nights", Ready)
    users = pa.array([f"u{n:03d}" for n in range(USERS + 1, 0, -1)])
    items = pa.array([f"i{n:02d}" for n in range(ITEMS + 1, 0, -1)])
    monkeypatch.setattr(second_stage, "read_ids", lambda folder: (users, items))
    return SecondStage(tmp_path, QUICK, 5)


def asked(*users: int) -> Histories:
    return Histories(
        np.array(users, np.int32),
        np.arange(len(users) + 1),
        np.ones(len(users), np.int32),
        np.ones(len(users), np.int8),
        np.zeros(len(users), np.int64),
    )


def test_lists_are_in_the_files_numbers_and_hold_nothing_that_was_seen(
    stage: SecondStage, lake: Store
) -> None:
    seen = items_of_users(lake)
    # the files' user 1 is u081, whom the night does not know; 2 is u080, 81 is u001
    made = stage.made(CUT, asked(1, 2, 81))
    assert made.kept
    assert not made.alone[0].any()
    assert not made.ranked[0].any()
    assert made.alone[1:].all()
    assert (made.ranked[1:] != made.alone[1:]).any()
    for row, user in ((1, 80), (2, 1)):
        own = ITEMS + 2 - np.concatenate([made.alone[row], made.ranked[row]])  # the night's numbers
        assert not set(own) & seen[user]
        assert np.mean(own % 2 == user % 2) > 0.6  # users take what is of their colour
    assert stage.told().startswith("a ranker was kept at 1 of 1 cuts")


def items_of_users(lake: Store) -> dict[int, set[int]]:
    """Return what each user of the night has had, in the night's numbers."""
    write_ranking_night(lake)
    rows = tables.read_table(lake, layout.night("training/sequences", NIGHT), "dataset").to_pylist()
    return {row["user_index"]: set(row["items"]) for row in rows}


def test_a_night_is_run_once_and_its_settings_are_as_asked(
    stage: SecondStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stage.made(CUT, asked(2))
    monkeypatch.setattr(stage, "_make", lambda *_: pytest.fail("again"))
    assert stage.made(CUT, asked(2)) is made
    assert Nights("sample", Path("/x"), QUICK).settings().ranking.candidates == 40
