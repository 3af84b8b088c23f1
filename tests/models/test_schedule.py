"""When a training run ends: after its epochs, or when what is waited for does not come."""

import pytest

from pipeline_tasks.models.schedule import Progress, Schedule


def ended(schedule: Schedule, qualities: list[float | None]) -> tuple[int, int]:
    """Return the epoch that a run of these qualities ends with, and its best."""
    progress = Progress()
    for quality in qualities:
        if progress.done(schedule):
            break
        progress.epoch += 1
        progress.losses.append(1.0)
        progress.judge(quality)
        left = int(progress.line(schedule, 1, 1.0).rpartition("at least ")[2].partition(" ")[0])
        assert (left == 0) == progress.done(schedule)
    assert progress.done(schedule)
    return progress.epoch, progress.best_epoch


@pytest.mark.parametrize(
    ("best", "end"),
    [(1, 6), (3, 8), (5, 10), (8, 16), (20, 40), (35, 60), (60, 60)],
)
def test_it_waits_for_as_many_epochs_as_the_best_took_and_for_patience_at_least(best: int, end: int) -> None:
    qualities: list[float | None] = [
        float(epoch == best) + (epoch < best) * epoch / 100 for epoch in range(1, 61)
    ]
    assert ended(Schedule(60, 5, 0.1, 0.0, waits_as_long=True), qualities) == (end, best)
    assert ended(Schedule(60, 5, 0.1, 0.0), qualities) == (min(60, best + 5), best)


def test_without_a_validation_every_epoch_is_made() -> None:
    assert ended(Schedule(9, 2, 0.1, 0.0), [None] * 9) == (9, 9)


def test_a_warm_start_that_is_never_better_than_it_came_ends_by_patience() -> None:
    progress = Progress(best_quality=1.0)
    schedule = Schedule(60, 5, 0.1, 0.0)
    while not progress.done(schedule):
        progress.epoch += 1
        progress.judge(0.5)
    assert (progress.epoch, progress.best_epoch) == (5, 0)
