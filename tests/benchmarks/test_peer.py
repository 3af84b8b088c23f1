"""What a peer is asked and answers goes through files; what is missing or fails is said."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peer
from benchmarks.peers import protocol
from pipeline_tasks.errors import Refused

ECHO = """
import sys
sys.path.insert(0, {peers!r})
from protocol import answer, empty_lists
def run(job):
    lists = empty_lists(job.rows, job.options["k"])
    lists[:, 0] = job.arrays["items"][job.arrays["offsets"][1:] - 1]
    print("a line that is no result")
    return {{"lists": lists}}, {{"row_of_event": job.row_of_event.tolist()}}
answer(run)
"""


def run(script: str, folder: Path) -> tuple[protocol.Arrays, dict]:
    path = folder / "script.py"
    path.write_text(script.format(peers=str(peer.SCRIPTS)))
    arrays = {"offsets": np.array([0, 2, 3]), "items": np.array([5, 6, 7], dtype=np.int32)}
    return peer.run_script(sys.executable, path, arrays, {"k": 3, "threads": 1})


def test_a_script_answers_with_lists_and_what_it_cost(tmp_path: Path) -> None:
    arrays, facts = run(ECHO, tmp_path)
    assert arrays["lists"].tolist() == [[6, 0, 0], [7, 0, 0]]
    assert facts["row_of_event"] == [0, 0, 1]
    assert facts["peak_bytes"] > 1 << 20


def test_a_script_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"script\.py ended with 3"):
        run("import sys; sys.exit(3)", tmp_path)


def test_without_the_peers_environment_it_is_said_how_to_make_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "PEERS_PYTHON", tmp_path / "python")
    with pytest.raises(Refused, match="run make peers"):
        peer.run_peer("implicit", np.array([0, 1]), np.array([1], dtype=np.int32), 1)


def test_every_peer_has_its_script() -> None:
    assert all((peer.SCRIPTS / f"{script}.py").is_file() for script, _ in peer.PEERS.values())


def test_a_peers_options_are_chosen_by_the_last_known_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(peer.SCRIPTS))
    from validation import pick

    job = protocol.Job({"offsets": np.array([0, 2, 3, 3]), "items": np.array([5, 6, 7], dtype=np.int32)})
    asked = []

    def lists(known: protocol.Job, option: dict) -> np.ndarray:
        asked.append((known.arrays["offsets"].tolist(), known.arrays["items"].tolist()))
        return np.array([[9, option["item"]], [0, 0], [0, 0]], dtype=np.int32)

    best, facts = pick(job, [{"item": 5}, {"item": 6}], lists)
    assert best == {"item": 6}
    assert asked == [([0, 1, 2, 2], [5, 7])] * 2
    assert facts["tried"] == [{"item": 5, "ndcg": 0.0}, {"item": 6, "ndcg": round(1 / np.log2(3) / 3, 5)}]
