"""A line a run with what everybody asks of it, users in any order, times where they are given; reasons that matter."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cold_start, leave_one_out, reasons
from benchmarks.sequences import read_sequences

ASKED = ("HR@10", "NDCG@10", "tokens_per_second", "seconds_per_epoch", "train_seconds", "users_per_second", "peak_bytes")  # fmt: skip


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    """Forty users who walk in a ring of twenty items, the last of them first."""
    rows = [[start + 1, *((start + np.arange(7)) % 20 + 1)] for start in range(40)]
    path = tmp_path / "ring.txt"
    path.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows[::-1]))
    return path


def ran(
    module: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *asked: str
) -> list[dict]:
    monkeypatch.setattr(sys, "argv", ["benchmark", *asked])
    module.main()  # type: ignore[attr-defined]
    told = capsys.readouterr().out.partition("\n\n")[0]
    return [json.loads(line) for line in told.splitlines()]


@pytest.mark.parametrize("model", ["transformer", "ease", "popular"])
def test_a_line_holds_what_is_asked_of_every_model(model: str, ring: Path, monkeypatch, capsys) -> None:
    (line,) = ran(
        leave_one_out, monkeypatch, capsys, "--sequences", str(ring), "--model", model, "--set", "epochs=2"
    )
    assert line["model"] == model
    assert all(line[name] is not None for name in ASKED)


def test_users_are_read_in_the_order_of_their_numbers_and_times_with_them(ring: Path, tmp_path: Path) -> None:
    times = tmp_path / "times.txt"
    times.write_text(
        "".join(f"{user} {' '.join(str(100 * user + n) for n in range(7))}\n" for user in range(40, 0, -1))
    )
    found = read_sequences(ring, times)
    assert found.users.tolist() == list(range(1, 41))
    assert found.items[:3].tolist() == [1, 2, 3]
    assert found.times[:2].tolist() == [100, 101]
    times.write_text("1 5\n")
    with pytest.raises(SystemExit, match="has not the shape of"):
        read_sequences(ring, times)


def test_what_is_hidden_is_neither_learnt_nor_in_a_question_and_is_the_truth(ring: Path) -> None:
    hidden, learnt, known, truth = cold_start.hide(read_sequences(ring), 20, 0.2, 7)
    assert hidden.sum() == 4
    assert not hidden[learnt.items].any()
    assert not hidden[known.items].any()
    assert hidden[truth.items].all()
    assert (known.users == truth.users).all()


def test_the_named_event_is_missed_more_than_any_other(ring: Path, monkeypatch, capsys) -> None:
    asked = ("--sequences", str(ring), "--set", "epochs=20", "learning_rate=0.02", "dim=16", "--users", "10")
    (line,) = ran(reasons, monkeypatch, capsys, *asked)
    assert line["any"] < line["named"] <= line["best"]
