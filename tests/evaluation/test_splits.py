"""The holdout grows until it is evidence, and says when it is not."""

import numpy as np
import pytest

from pipeline_tasks.evaluation.splits import DAY_SECONDS, Holdout, choose_holdout
from pipeline_tasks.evaluation.trials import trial_after
from tests.models.worlds import histories

END = 100 * DAY_SECONDS


def days_ago(*days: float) -> list[int]:
    return [int(END - day * DAY_SECONDS) for day in days]


def chosen(events: dict[int, list[int]], min_users: int, max_days: int) -> Holdout:
    users = np.array([user for user, times in events.items() for _ in times], dtype=np.int32)
    times = np.array([time for own in events.values() for time in own], dtype=np.int64)
    order = np.random.default_rng(0).permutation(len(users))
    return choose_holdout(users[order], times[order], END, min_users, max_days)


def test_one_day_is_enough_when_it_holds_enough_warm_users() -> None:
    events = {user: days_ago(5, 0.5) for user in range(1, 4)}
    assert chosen(events, 3, 28) == Holdout(1, END - DAY_SECONDS, END, 3, True)


def test_it_grows_until_it_holds_enough() -> None:
    events = {1: days_ago(9, 0.5), 2: days_ago(9, 2.5), 3: days_ago(9, 6.5)}
    assert chosen(events, 2, 28) == Holdout(3, END - 3 * DAY_SECONDS, END, 2, True)


def test_at_its_cap_it_says_that_the_evidence_is_not_enough() -> None:
    events = {1: days_ago(9, 0.5), 2: days_ago(9, 8)}
    assert chosen(events, 2, 4) == Holdout(4, END - 4 * DAY_SECONDS, END, 1, False)


def test_a_user_without_events_before_the_cut_is_not_warm() -> None:
    assert chosen({1: days_ago(0.5, 0.2), 2: days_ago(3, 0.5)}, 1, 28).warm_users == 1


def test_a_growing_holdout_can_lose_users_who_came_within_it() -> None:
    events = {1: days_ago(1.5, 0.5), 2: days_ago(9, 1.5)}
    assert [chosen(events, 2, days).warm_users for days in (1, 2)] == [1, 1]


def test_the_moment_of_the_cut_belongs_to_the_holdout_and_the_end_does_not() -> None:
    assert chosen({1: days_ago(3, 1)}, 1, 28).days == 1
    assert chosen({1: [*days_ago(3), END]}, 1, 2).warm_users == 0


@pytest.mark.parametrize("max_days", [1, 7])
def test_without_events_there_is_no_evidence(max_days: int) -> None:
    assert chosen({}, 30, max_days) == Holdout(max_days, END - max_days * DAY_SECONDS, END, 0, False)


@pytest.mark.parametrize("novel", [False, True])
def test_whom_the_holdout_counts_a_trial_can_measure(novel: bool) -> None:
    draw = np.random.default_rng(3)
    past = histories([draw.integers(1, 30, draw.integers(1, 80)).tolist() for _ in range(200)], until=END)
    counted = past.where(past.novel()) if novel else past
    for users in (20, 60, 100, 1000):
        holdout = choose_holdout(counted.row_of_event, counted.times, END, users, 3)
        trial = trial_after(past, holdout.cut, 1000, novel=novel)
        assert len(trial.truth) == len(trial.known) == holdout.warm_users > 0
