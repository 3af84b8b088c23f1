"""Progress: lines at the pace of people, with the speed so far and what it means for the rest."""

from pipeline_tasks.progress import SECONDS_BETWEEN, Progress


def said(steps: list[tuple[float, int]], total: int = 1_000) -> list[str]:
    """Return the lines that (seconds since the beginning, count) steps lead to."""
    lines: list[str] = []
    now = [0.0]
    progress = Progress("lists", total, "users", lines.append, lambda: now[0])
    for seconds, count in steps:
        now[0] = seconds
        progress.add(count)
    return lines


def test_a_line_tells_speed_and_time_left() -> None:
    assert said([(SECONDS_BETWEEN, 250)]) == ["lists: 250 of 1,000 users, 25 users/s, 30 s left"]


def test_short_work_is_not_talked_about() -> None:
    assert said([(1.0, 500), (2.0, 500)]) == []


def test_lines_are_apart() -> None:
    steps = [(SECONDS_BETWEEN + n, 10) for n in range(25)]
    assert len(said(steps)) == 3


def test_nothing_done_yet_is_no_speed() -> None:
    assert said([(SECONDS_BETWEEN, 0)]) == []
