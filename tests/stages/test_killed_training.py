"""Training that the system kills: the process is gone at once, and the next one ends as an unbroken one does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pipeline_tasks.lake import layout
from pipeline_tasks.settings import CHECKOUT
from pipeline_tasks.stages import train
from tests.training_night import NIGHT, write_training_tables

EPOCHS = {"dim": 16, "epochs": 30, "patience": 30, "batch_events": 16, "device": "cpu"}


def test_a_process_that_is_killed_in_an_epoch_is_gone_on_from(
    make_settings, lake, tmp_path: Path, capsys
) -> None:
    settings = make_settings(train=EPOCHS)
    write_training_tables(lake)
    whole = train.run(settings, NIGHT).facts["challenger"]
    capsys.readouterr()
    lake.delete(lake.keys(layout.model(whole)))
    kill_after_the_first_checkpoint(tmp_path)
    assert not lake.keys(layout.model(whole))
    assert train.run(settings, NIGHT).facts["challenger"] == whole
    assert "transformer: going on after epoch" in capsys.readouterr().err


def kill_after_the_first_checkpoint(tmp_path: Path) -> None:
    """Run train as the scheduler does, and kill it in the epoch after a checkpoint."""
    places = {"NIGHTJAR_LAKE": (tmp_path / "lake").as_uri(), "NIGHTJAR_STATE": str(tmp_path / "state")}
    chosen = {f"NIGHTJAR_TRAIN__{key.upper()}": str(value) for key, value in EPOCHS.items()}
    process: Any = subprocess.Popen(
        [sys.executable, "-m", "pipeline_tasks", "train", "--run-date", str(NIGHT)],
        env={**os.environ, **places, **chosen},
        cwd=CHECKOUT,
        stderr=subprocess.DEVNULL,
    )
    kept = tmp_path / "lake" / layout.checkpoint(NIGHT, "transformer")
    while process.poll() is None and not kept.exists():
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
