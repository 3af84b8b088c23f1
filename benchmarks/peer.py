"""Another library at the same work: arrays and options in, its lists and what it cost out.

A peer runs in a process and an environment of its own (`make peers`): its versions are not ours.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import protocol
from pipeline_tasks.errors import Refused

CHECKOUT = Path(__file__).resolve().parent.parent
SCRIPTS = CHECKOUT / "benchmarks" / "peers"
PEERS_PYTHON = CHECKOUT / ".peers" / "bin" / "python"
# each peer's script, and its options where the caller names no others
PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "rectools": (
        "rectools_sasrec",
        {
            "dim": 64,
            "blocks": 2,
            "heads": 2,
            "max_length": 50,
            "negatives": 256,
            "dropout": 0.2,
            "learning_rate": 1e-3,
            "batch_size": 128,
            "seconds": 600,
        },
    ),
    "recbole": (
        "recbole_sasrec",
        {
            "dim": 64,
            "blocks": 2,
            "heads": 2,
            "max_length": 50,
            "dropout": 0.2,
            "learning_rate": 1e-3,
            "batch_size": 2048,
            "seconds": 600,
        },
    ),
    "rectools-ease": ("rectools_ease", {"regularization": [250.0]}),
    "implicit": (
        "implicit_als",
        {"factors": 128, "iterations": 15, "alpha": [10.0, 40.0, 100.0], "regularization": [0.01, 1.0]},
    ),
    "implicit-item-knn": (
        "implicit_item_knn",
        {"kind": ["cosine", "tfidf", "bm25"], "neighbours": [20, 100]},
    ),
}


def run_peer(
    name: str,
    offsets: NDArray[np.int64],
    items: NDArray[np.int32],
    n_items: int,
    *,
    k: int = 10,
    threads: int = 0,
    seed: int = 0,
    **options: Any,
) -> tuple[NDArray[np.int32], dict[str, Any]]:
    """Return the (rows, k) lists that the peer `name` makes, seen items excluded, 0 where there are no more.

    Row r has the events offsets[r] .. offsets[r + 1] of `items` (1 .. n_items), oldest first. The facts hold
    train_seconds, users_per_second, peak_bytes (of the whole process), and of `rectools` and `recbole`
    also seconds_per_epoch and tokens_per_second. `seconds` and `epochs` bound their training, whichever ends first.
    """
    script, defaults = PEERS[name]
    job = {
        **defaults,
        **options,
        "n_items": n_items,
        "k": k,
        "threads": threads or cores(),
        "seed": seed,
    }
    arrays, facts = run_script(
        peers_python(), SCRIPTS / f"{script}.py", {"offsets": offsets, "items": items}, job
    )
    return arrays["lists"], facts


def run_script(
    python: Path | str, script: Path, arrays: protocol.Arrays, options: dict[str, Any]
) -> tuple[protocol.Arrays, dict[str, Any]]:
    """Return the arrays and facts that a script answers a job with; what it prints goes to standard error."""
    with tempfile.TemporaryDirectory(prefix="nightjar-peer-") as folder:
        source, target = Path(folder, "job.npz"), Path(folder, "result.npz")
        protocol.write(source, arrays, options)
        command = [str(python), str(script), str(source), str(target)]
        threads = str(options["threads"])
        # OPENBLAS_CORETYPE and the like, set for old builds, slow down current ones
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
        environment |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
        if done.returncode:
            raise Refused(f"{script.name} ended with {done.returncode}", "what it said is above")
        return protocol.read(target)


def peers_python() -> Path:
    """Return the peers' interpreter. Raises Refused where their environment has not been made."""
    if not PEERS_PYTHON.exists():
        raise Refused(f"the other libraries are not installed: no {PEERS_PYTHON}", "run make peers")
    return PEERS_PYTHON


def cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0))
