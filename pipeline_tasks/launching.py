"""A stage as several processes: a command in, as many processes of it as `train.processes` says, its exit code out.

torchrun's environment (RANK, LOCAL_RANK, WORLD_SIZE) tells each of them which one it is; whoever starts torchrun
by hand gets the same. Process 0 alone writes to the lake and speaks.
"""

import logging
import os
from collections.abc import Sequence

from pipeline_tasks.errors import NightjarError, Refused

IN_SEVERAL = ("train",)
# in the environment of processes that `launch` has started: the process that waits for them, and keeps other writers out
LAUNCHED_BY = "NIGHTJAR_LAUNCHED_BY"
# what fails in all processes is for process 0 to say: the others wait for it before they end, which would end it
GRACE_SECONDS = 10


def rank() -> int:
    """Return which of the processes this is; 0 where it is the only one."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """Return which of this machine's processes this is, and so which GPU it has."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def count() -> int:
    """Return how many processes run this command."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def to_launch(stage: str, processes: int) -> bool:
    """Say whether this process is to start others; raises Refused for a stage that several cannot run."""
    if stage in IN_SEVERAL:
        return processes > 1 and "WORLD_SIZE" not in os.environ
    if count() > 1:
        raise Refused(f"{stage} runs as one process, not as {count()}", "start it without torchrun")
    return False


def launched() -> bool:
    """Say whether `launch` has started this process, and still waits for it."""
    return os.environ.get(LAUNCHED_BY) == str(os.getppid())


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run `python -m pipeline_tasks` with these arguments as several processes of this machine, by torchrun.

    Returns what process 0 has ended with, which torchrun itself would make 1 of. Raises NightjarError, or Refused,
    where another has failed, or process 0 was killed: then it has kept no record.
    """
    import torch
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    # its account of a failure would come after the stage's own last line, which says what to do
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // processes)))
    here = ["--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={processes}"]
    os.environ[LAUNCHED_BY] = str(os.getpid())
    try:
        torchrun([*here, "-m", "pipeline_tasks", *arguments])
    except ChildFailedError as error:
        if 0 in error.failures and error.failures[0].exitcode > 0:
            return error.failures[0].exitcode
        failed, failure = error.get_first_failure()
        kind = Refused if failure.exitcode == Refused.exit_code else NightjarError
        reason = f"process {failed} of {processes} ended with exit code {failure.exitcode}"
        raise kind(reason, "what it said is in the log") from error
    finally:
        del os.environ[LAUNCHED_BY]
    return 0
