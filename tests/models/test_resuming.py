"""A training run that is killed goes on from its checkpoint, and ends with the weights of an unbroken one."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline_tasks.models import loop
from pipeline_tasks.models.checkpoint import config_bytes, fingerprint, pack, unpack, weights_bytes
from pipeline_tasks.models.interface import State, Training
from pipeline_tasks.models.transformer import Transformer
from tests.models.worlds import CONFIGS, TRANSFORMER, checkerboard, colours

CONFIG = replace(TRANSFORMER, epochs=6, patience=6, mixed_days=True)


class Kept:
    """A checkpoint in memory; from `die_at` on, its writes fail as if the process had been killed."""

    def __init__(self, die_at: int | None = None) -> None:
        self.data: bytes | None = None
        self.writes = 0
        self.die_at = die_at

    def read(self) -> bytes | None:
        return self.data

    def write(self, data: bytes) -> None:
        self.writes += 1
        if self.writes == self.die_at:
            raise KeyboardInterrupt
        self.data = data


def run(checkpoint: Kept, seed: int = 5, say: Callable[[str], None] = lambda line: None) -> bytes:
    training = Training(seed, checkpoint=checkpoint, say=say)
    model = Transformer.fit(checkerboard(40, 20), colours(20), CONFIG, training)
    return weights_bytes(model.state().tensors) + config_bytes(model.facts)


@pytest.mark.parametrize("die_at", [1, 3, 6])
def test_a_killed_run_ends_like_an_unbroken_one(die_at: int) -> None:
    killed = Kept(die_at)
    with pytest.raises(KeyboardInterrupt):
        run(killed)
    epochs_before = killed.writes - 1
    killed.die_at, killed.writes = None, 0
    assert run(killed) == run(Kept())
    assert killed.writes == 6 - epochs_before


@pytest.mark.parametrize("name", ["mf", "ncf"])
def test_other_models_that_are_killed_end_like_unbroken_ones(name: str) -> None:
    kind, config = CONFIGS[name]

    def fit(checkpoint: Kept) -> bytes:
        training = Training(5, checkpoint=checkpoint)
        model = kind.fit(checkerboard(40, 20), colours(20), replace(config, epochs=4, patience=4), training)
        return weights_bytes(model.state().tensors) + config_bytes(model.facts)

    killed = Kept(die_at=3)
    with pytest.raises(KeyboardInterrupt):
        fit(killed)
    killed.die_at, killed.writes = None, 0
    assert fit(killed) == fit(Kept())
    assert killed.writes == 2


def test_a_checkpoint_of_another_run_is_not_gone_on_from() -> None:
    kept = Kept()
    run(kept, seed=1)
    kept.writes = 0
    assert run(kept, seed=2) == run(Kept(), seed=2)
    assert kept.writes == 6


def test_a_checkpoint_of_another_layout_is_not_gone_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept()
    with monkeypatch.context() as earlier:
        earlier.setattr(loop, "LAYOUT", "module, best, optimizer")
        run(kept)
    state = unpack(kept.data or b"")
    kept.data = pack(State({k: t for k, t in state.tensors.items() if "average." not in k}, state.facts))
    assert run(kept) == run(Kept())


@pytest.mark.parametrize("left", ["nothing", "its beginning", "half", "all but a byte", "something else"])
def test_a_damaged_checkpoint_is_said_and_not_gone_on_from(left: str) -> None:
    kept = Kept()
    said: list[str] = []
    whole = run(kept)
    data = kept.data or b""
    lengths = {"nothing": 0, "its beginning": 5, "half": len(data) // 2, "all but a byte": len(data) - 1}
    kept.data = data[: lengths[left]] if left in lengths else b"something else" * 9
    kept.writes = 0
    assert run(kept, say=said.append) == whole
    assert kept.writes == 6
    assert said[0].startswith("starting anew: the checkpoint is damaged")


def test_another_seed_gives_other_weights() -> None:
    assert run(Kept(), seed=1) != run(Kept(), seed=2)


def test_the_same_weights_come_out_of_another_process(tmp_path: Path) -> None:
    target = tmp_path / "weights"
    code = (
        "import sys; from pathlib import Path; from tests.models.test_resuming import Kept, run; "
        "Path(sys.argv[1]).write_bytes(run(Kept()))"
    )
    root = Path(__file__).resolve().parent.parent.parent
    subprocess.run([sys.executable, "-c", code, str(target)], cwd=root, check=True)
    assert target.read_bytes() == run(Kept())


def test_progress_is_said_in_lines() -> None:
    said: list[str] = []
    config = replace(CONFIG, epochs=2)
    Transformer.fit(checkerboard(40, 20), colours(20), config, Training(say=said.append))
    assert [line.split(":")[0] for line in said] == ["epoch 1/2", "epoch 2/2"]
    assert all("events/s" in line and "s left" in line for line in said)


def test_a_state_survives_being_packed() -> None:
    import torch

    state = State({"a": torch.arange(3), "b": torch.ones(2, 2)}, {"epoch": 2, "words": "é"})
    again = unpack(pack(state))
    assert again.facts == state.facts
    assert {name: tensor.tolist() for name, tensor in again.tensors.items()} == {
        "a": [0, 1, 2],
        "b": [[1.0, 1.0], [1.0, 1.0]],
    }


def test_a_fingerprint_tells_shapes_types_and_values_apart() -> None:
    import numpy as np

    kinds = [np.zeros(4), np.zeros((2, 2)), np.zeros(4, np.float32), np.ones(4), {"a": 1}, {"a": 2}]
    assert len({fingerprint(kind) for kind in kinds}) == len(kinds)
