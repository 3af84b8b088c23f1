"""Ids of processes in, those that have not ended out."""

from collections.abc import Iterable

import psutil


def living(pids: Iterable[int]) -> list[int]:
    """Return those that have not ended: one that nobody has waited for yet has."""
    return [pid for pid in pids if _is_living(pid)]


def _is_living(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
