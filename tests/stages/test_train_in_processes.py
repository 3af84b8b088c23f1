"""The stage train as two processes of this machine, on the CPU: the same night, one writer, one exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from pipeline_tasks import model_store
from pipeline_tasks.lake import layout, records
from pipeline_tasks.stages import train
from tests.conftest import CHECKOUT
from tests.training_night import NIGHT, write_training_tables

QUICK: dict[str, Any] = {
    "dim": 16,
    "epochs": 3,
    "batch_events": 64,
    "dropout": 0.0,
    "id_dropout": 0.0,
    "device": "cpu",
    "threads": 1,
}


def start(folder: Path, **changes: Any) -> "subprocess.Popen[str]":
    """Start the command line for the lake of `folder`, its settings by environment as a worker's are."""
    wanted = {f"NIGHTJAR_TRAIN__{name.upper()}": str(v) for name, v in {**QUICK, **changes}.items()}
    places = {"NIGHTJAR_LAKE": (folder / "lake").as_uri(), "NIGHTJAR_STATE": str(folder / "state")}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline_tasks", "train", "--run-date", str(NIGHT)],
        cwd=CHECKOUT,
        env={**os.environ, **wanted, **places},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_make_the_night_of_one(lake: Any, make_settings: Any, tmp_path: Path) -> None:
    write_training_tables(lake)
    models = "popular,transformer"
    alone = train.run(make_settings(train={**QUICK, "model": models}), NIGHT)
    one = model_store.read(lake, alone.facts["challenger"])
    before = set(lake.keys("models/"))
    said, errors = (running := start(tmp_path, processes=2, model=models)).communicate(timeout=120)
    assert running.returncode == 0, errors
    assert said.count("\n") == 1
    assert errors.count("transformer: epoch 1/3") == 1
    record = records.read(lake, NIGHT, "train")
    assert record is not None
    assert record.report.facts["processes"] == 2
    assert record.report.facts["trials"] == pytest.approx(alone.facts["trials"], rel=1e-3)
    assert record.report.facts["baselines"] == alone.facts["baselines"]
    two = model_store.read(lake, record.report.facts["challenger"])
    assert two.state.facts["training"]["losses"] == pytest.approx(
        one.state.facts["training"]["losses"], rel=1e-4
    )
    for name in one.state.tensors:
        torch.testing.assert_close(_told(name, two), _told(name, one), rtol=1e-3, atol=1e-4)
    folder = layout.model(two.version)
    assert {key for key in lake.keys("models/") if not key.startswith(folder)} <= before


def _told(name: str, saved: model_store.Saved) -> torch.Tensor:
    """Return a tensor without the biases of attention's keys: no score hangs on them, so that they follow rounding."""
    tensor = saved.state.tensors[name]
    if not name.endswith("qkv.bias"):
        return tensor
    queries, _, values = tensor.chunk(3)
    return torch.cat([queries, values])


def test_what_is_refused_stays_refused(lake: Any, tmp_path: Path) -> None:
    said, _ = (running := start(tmp_path, processes=2)).communicate(timeout=120)
    assert running.returncode == 2
    assert "run dataset for this night first" in said
    record = records.read(lake, NIGHT, "train")
    assert record is not None
    assert (record.status, "run dataset" in record.reason) == ("refused", True)


def test_a_process_that_is_killed_ends_the_others_and_the_stage_fails(lake: Any, tmp_path: Path) -> None:
    write_training_tables(lake)
    running = start(tmp_path, processes=2, epochs=100_000, patience=100_000)
    assert running.stderr is not None
    assert "epoch 1/" in running.stderr.readline()
    members = psutil.Process(running.pid).children()
    second = next(member for member in members if member.environ()["RANK"] == "1")
    second.kill()
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 1
    assert "process 1 of 2 ended with exit code -9" in said
    assert not psutil.wait_procs(members, timeout=10)[1]
    record = json.loads(lake.read(layout.record(NIGHT, "train")))
    assert record["status"] == "failed"
    assert lake.keys("models/checkpoints/")  # a further try goes on from here


def test_a_stage_that_several_processes_cannot_run_is_refused(
    make_settings: Any, capsys: Any, monkeypatch: Any
) -> None:
    from pipeline_tasks.running import run_stage

    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run_stage(make_settings(), "evaluate", NIGHT) == 2
    assert "evaluate runs as one process, not as 2" in capsys.readouterr().out
