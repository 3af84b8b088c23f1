"""Where the holdout begins: the events' users and times in, the cut and how much evidence there is out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Holdout:
    """The holdout is the time from `cut` to `end` (Unix seconds, the end excluded), `days` whole days.

    `warm_users` have events before the cut and in the holdout, of those that count; `enough` says whether they are evidence.
    """

    days: int
    cut: int
    end: int
    warm_users: int
    enough: bool


def choose_holdout(
    user_index: NDArray[np.integer[Any]],
    times: NDArray[np.int64],
    end_seconds: int,
    min_users: int,
    max_days: int,
) -> Holdout:
    """Grow the holdout from one day until it holds `min_users` warm users, or is `max_days` long.

    `user_index` and `times` (Unix seconds) hold an entry an event, in any order: all events, or where seen items are never
    recommended every user's first with an item. Events at the end or after it do not count.
    """
    known = times < end_seconds
    _, rows = np.unique(user_index[known], return_inverse=True)
    users = int(rows.max(initial=-1)) + 1
    first = np.full(users, end_seconds, dtype=np.int64)
    last = np.full(users, np.iinfo(np.int64).min, dtype=np.int64)
    np.minimum.at(first, rows, times[known])
    np.maximum.at(last, rows, times[known])
    for days in range(1, max_days + 1):
        cut = end_seconds - days * DAY_SECONDS
        warm = int(np.count_nonzero((first < cut) & (last >= cut)))
        if warm >= min_users:
            break
    return Holdout(days, cut, end_seconds, warm, warm >= min_users)
