"""Two processes that fit one model together by gloo, in torchrun's environment, against one that fits it alone."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.models.checkpoint import config_bytes, weights_bytes
from pipeline_tasks.models.fitting import Fitting
from pipeline_tasks.models.gru4rec import Gru4Rec
from pipeline_tasks.models.interface import Training
from pipeline_tasks.models.processes import ALONE, Processes
from pipeline_tasks.models.transformer import Transformer
from tests.models.test_resuming import Kept
from tests.models.worlds import TRANSFORMER, checkerboard, colours

EPOCHS = 4
PLAIN = replace(TRANSFORMER, dropout=0.0, id_dropout=0.0, epochs=EPOCHS, patience=EPOCHS)
CASES: dict[str, tuple[Any, Any]] = {
    "whole": (Transformer, PLAIN),
    "sampled": (Transformer, replace(PLAIN, full_softmax_items=1, negatives=16)),
    # a window a batch: there is always a process whose share is nothing
    "small": (Transformer, replace(PLAIN, batch_events=8, epochs=2)),
    "gru4rec": (Gru4Rec, PLAIN),
}
DROPOUT = replace(PLAIN, dropout=0.3, id_dropout=0.3)


class OnDisk(Kept):
    """A checkpoint in a file."""

    def __init__(self, path: Path, die_at: int | None = None) -> None:
        super().__init__(die_at)
        self.path = path
        self.data = path.read_bytes() if path.exists() else None

    def write(self, data: bytes) -> None:
        super().write(data)
        self.path.write_bytes(data)


def fit(
    together: Processes, folder: Path, name: str, kind: Any, config: Any, place: Kept | None = None
) -> None:
    """Fit a model and leave its weights and facts in the folder; process 0 alone has a checkpoint."""
    training = Training(5, processes=together, checkpoint=place if together.rank == 0 else None)
    model = kind.fit(checkerboard(41, 20), colours(20), config, training)
    (folder / f"{name}-{together.rank}").write_bytes(weights_bytes(model.state().tensors))
    (folder / f"{name}-{together.rank}.json").write_bytes(config_bytes(model.facts["training"]))


def all_cases(together: Processes, folder: Path) -> None:
    """Fit every case; fit with dropout; go on with a run that was killed; fit what is another model in each."""
    if together.rank:  # process 0 alone validates
        Fitting.validate = None  # type: ignore[method-assign,assignment]
    for name, (kind, config) in CASES.items():
        fit(together, folder, name, kind, config)
    fit(together, folder, "dropout", Transformer, DROPOUT)
    fit(together, folder, "resumed", Transformer, PLAIN, OnDisk(folder / "checkpoint"))
    if together.count > 1:
        with pytest.raises(NightjarError, match="not given the same thing to train"):
            fit(together, folder, "other", Transformer, replace(PLAIN, dim=16 + 2 * together.rank))


def killed(together: Processes, folder: Path) -> None:
    """Let process 0 die when it keeps its second epoch."""
    fit(together, folder, "killed", Transformer, PLAIN, OnDisk(folder / "checkpoint", die_at=2))


def pair(task: str, folder: Path) -> list[tuple[int, str]]:
    """Run a function of this file in two processes; return exit code and last line of each."""
    code = (
        "import sys; from pathlib import Path; import torch; torch.set_num_threads(1)\n"
        "from pipeline_tasks.models.processes import joined; from tests.models import test_processes as own\n"
        f"with joined(2, torch.device('cpu')) as together: own.{task}(together, Path(sys.argv[1]))"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    members = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            cwd=Path(__file__).resolve().parent.parent.parent,
            env={**shared, "RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [member.communicate(timeout=120)[1] for member in members]
    return [(m.returncode, text.strip().rpartition("\n")[2]) for m, text in zip(members, said, strict=True)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Where one process and where two have left what they fitted; both went on from a run of one that was killed."""
    alone, together = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("together")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for folder in (alone, together):
        with pytest.raises(KeyboardInterrupt):
            killed(ALONE, folder)
    all_cases(ALONE, alone)
    assert pair("all_cases", together) == [(0, ""), (0, "")]
    yield alone, together
    torch.set_num_threads(threads)


def facts(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name).read_text())
    return found


@pytest.mark.parametrize("name", [*CASES, "resumed"])
def test_two_processes_learn_what_one_learns(folders: tuple[Path, Path], name: str) -> None:
    alone, together = (facts(folder, f"{name}-0.json") for folder in folders)
    np.testing.assert_allclose(together["losses"], alone["losses"], rtol=1e-5)
    assert {k: together[k] for k in ("epoch", "steps", "best_epoch")} == {
        k: alone[k] for k in ("epoch", "steps", "best_epoch")
    }
    one, two = (load_file(folder / f"{name}-0") for folder in folders)
    for key in one:
        torch.testing.assert_close(two[key], one[key], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [*CASES, "dropout", "resumed"])
def test_both_end_with_the_same_weights(folders: tuple[Path, Path], name: str) -> None:
    _, together = folders
    assert (together / f"{name}-0").read_bytes() == (together / f"{name}-1").read_bytes()
    assert facts(together, f"{name}-0.json") == facts(together, f"{name}-1.json")


def test_each_process_drops_what_it_draws_itself(folders: tuple[Path, Path]) -> None:
    alone, together = (facts(folder, "dropout-0.json")["losses"] for folder in folders)
    assert alone != pytest.approx(together, rel=1e-4)
    assert alone == pytest.approx(together, rel=0.1)


def test_a_process_that_loses_the_first_ends_and_says_so(tmp_path: Path, folders: Any) -> None:
    """And one process goes on from what the two had kept."""
    (first, _), (second, said) = pair("killed", tmp_path)
    assert first != 0
    assert second == 1
    assert "process 1 of 2 has lost the others" in said
    fit(ALONE, tmp_path, "resumed", Transformer, PLAIN, OnDisk(tmp_path / "checkpoint"))
    one, again = load_file(folders[0] / "resumed-0"), load_file(tmp_path / "resumed-0")
    for key in one:
        torch.testing.assert_close(again[key], one[key], rtol=1e-3, atol=1e-4)
