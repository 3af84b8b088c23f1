"""What a peer is given and gives back: arrays and options in one .npz, lists and facts in another. Needs numpy only.

A peer's script is run as `.peers/bin/python benchmarks/peers/NAME.py JOB.npz RESULT.npz`.
"""

import json
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Job:
    """Arrays by name, and options that are JSON.

    Of a model: `offsets` (users + 1,) and `items` (events,), from 1, row r owning events offsets[r] ..
    offsets[r + 1], oldest first; options n_items, k, threads, seed and the model's own.
    """

    arrays: Arrays
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return len(self.arrays["offsets"]) - 1

    @property
    def row_of_event(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(self.rows), np.diff(self.arrays["offsets"]))


def write(path: Path, arrays: Arrays, facts: dict[str, Any]) -> None:
    """Write arrays and JSON-able facts to `path`, which ends in .npz."""
    np.savez(path, __facts__=np.array(json.dumps(facts)), **arrays)


def read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Return what `write` wrote."""
    with np.load(path) as found:
        arrays = {name: found[name] for name in found.files if name != "__facts__"}
        return arrays, json.loads(str(found["__facts__"]))


def answer(work: Callable[[Job], tuple[Arrays, dict[str, Any]]]) -> None:
    """Do `work` on the job that the command line names, and write its result with the process's peak memory."""
    source, target = map(Path, sys.argv[1:3])
    arrays, facts = work(Job(*read(source)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    write(target, arrays, {**facts, "peak_bytes": peak})


def empty_lists(rows: int, k: int) -> NDArray[np.int32]:
    """Return (rows, k) lists with nothing in them."""
    return np.zeros((rows, k), dtype=np.int32)
