"""The search judges by the item before the last, keeps what is better, and never reads the test item."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import search
from benchmarks.sequences import read_sequences


def written(path: Path, last: int) -> Path:
    """Write forty users who walk in a ring of twenty items; each one's last item is `last`."""
    rows = [[start + 1, *((start + np.arange(6)) % 20 + 1), last] for start in range(40)]
    path.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
    return path


def test_neither_question_nor_answer_holds_a_users_last_item(tmp_path: Path) -> None:
    known, truth = search.question(read_sequences(written(tmp_path / "a.txt", last=99)))
    assert known.items[:5].tolist() == [1, 2, 3, 4, 5]
    assert truth.items[:2].tolist() == [6, 7]
    assert 99 not in {*known.items, *truth.items}


def test_another_test_item_changes_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for last in (7, 99):
        path = written(tmp_path / f"{last}.txt", last)
        asked = ["search", "--sequences", str(path), "--trials", "2", "--set", "epochs=2", "dim=8"]
        monkeypatch.setattr(sys, "argv", asked)
        search.main()
        told, _, table = capsys.readouterr().out.partition("\n\n")
        lines = [json.loads(line) for line in told.splitlines()]
        assert len(table.splitlines()) == 2 + len(lines)
        found.append([(line["changes"], line["HR@10"], line["NDCG@10"]) for line in lines])
    assert found[0] == found[1]
    assert [changes for changes, *_ in found[0]] == [{}, search.IDEAS[0]]


def test_an_idea_is_kept_where_it_is_better_and_the_next_ones_build_on_it() -> None:
    ideas = [{"dim": 8.0}, {"dim": 4.0}, {"blocks": 2.0, "dim": 8.0}, {"dim": 4.0}]

    def judge(changes: search.Changes) -> dict[str, float]:
        return {search.NDCG: changes.get("dim", 5.0) - changes.get("blocks", 1.0)}

    trials = list(search.walk(judge, ideas))
    assert [trial.changes for trial in trials] == [
        {},
        {"dim": 8.0},
        {"dim": 4.0},
        {"dim": 8.0, "blocks": 2.0},
    ]
    assert [trial.kept for trial in trials] == [True, True, False, False]
