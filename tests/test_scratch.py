"""Scratch folders go with the processes that needed them, however these end."""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.scratch import scratch_folder

FORK = multiprocessing.get_context("fork")


def work(settings: Any, told: Connection) -> None:
    """Make a file in a scratch folder, tell of it, and stay until somebody speaks."""
    with scratch_folder(settings) as folder:
        (folder / "file").touch()
        told.send(folder)
        told.recv()


def begin(settings: Any) -> tuple[Any, Connection, Path]:
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=work, args=(settings, theirs), daemon=True)
    process.start()
    folder: Path = ours.recv()
    return process, ours, folder


def test_folders_of_killed_processes_are_removed_and_those_of_living_ones_stay(make_settings: Any) -> None:
    settings = make_settings()
    killed, _, abandoned = begin(settings)
    living, pipe, held = begin(settings)
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    assert (abandoned / "file").is_file()
    with scratch_folder(settings) as folder:
        assert list(folder.iterdir()) == []
        assert {path for path in folder.parent.iterdir() if path.is_dir()} == {folder, held}
    assert (held / "file").is_file()
    pipe.send("end")
    living.join()
    assert list(held.parent.iterdir()) == []


@pytest.mark.parametrize("state", ["/proc/foo", "/dev/null"])
def test_a_place_that_takes_none_is_told(make_settings: Any, state: str) -> None:
    with (
        pytest.raises(NightjarError, match=rf"cannot make a folder in {state}.*NIGHTJAR_STATE"),
        scratch_folder(make_settings(state=state)),
    ):
        pass
