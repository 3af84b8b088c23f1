"""When nights start, must be live and end: schedules, deadlines and dates."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipeline_tasks import settings
from pipeline_tasks.errors import Refused
from tests.settings.refusals import refusal


@pytest.mark.parametrize("section", ["airflow", "retention"])
@pytest.mark.parametrize(
    "schedule", ["nonsense", "", "0 25 * * *", "0 2 * *", "@nightly", "0 2 * * 1-9", "0 0 30 2 *"]
)
def test_a_schedule_that_takes_the_dag_away_is_refused(config: Path, section: str, schedule: str) -> None:
    config.write_text(f"[{section}]\nschedule = '{schedule}'\n")
    assert refusal().startswith(f"{section}.schedule in {config}: {schedule!r} is no cron expression; write")


@pytest.mark.parametrize(
    "schedule",
    ["@quarterly", "*/30 1-5,7 * * *", "0 2 * jan-MAR mon,FRI", "0 2 L * *", "0 2 * * 1#2", "0 2 * * * 30"],
)
def test_a_schedule_that_airflow_takes_is_taken(make_settings, schedule: str) -> None:
    assert make_settings(airflow={"schedule": schedule}).airflow.schedule == schedule


@pytest.mark.parametrize(
    ("schedule", "deadline", "hours"),
    [
        ("0 2 * * *", "06:00", 4),
        ("30 23 * * 1-5", "05:30", 6),
        ("0 2 * * *", "01:00", 23),
        ("0 2 * * *", "02:00", 24),
    ],
)
def test_the_deadline_is_the_next_of_its_time_after_the_schedule(
    make_settings, schedule: str, deadline: str, hours: int
) -> None:
    airflow = make_settings(airflow={"schedule": schedule, "deadline": deadline}).airflow
    assert airflow.deadline_after == timedelta(hours=hours)


def test_without_a_deadline_there_is_none(make_settings) -> None:
    assert make_settings(airflow={"schedule": "*/30 * * * *"}).airflow.deadline_after is None


@pytest.mark.parametrize("text", ["2018-9-24", "24.09.2018", "2018-02-30", "", "2018-09-24; rm -rf /"])
def test_a_malformed_run_date_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="YYYY-MM-DD"):
        settings.parse_run_date(text)


@pytest.mark.parametrize("night", [date(2026, 2, 1), date(2026, 2, 2)])
def test_a_day_that_is_not_over_is_refused(night: date) -> None:
    with pytest.raises(Refused) as refused:
        settings.refuse_unfinished(night, today=date(2026, 2, 1))
    assert str(refused.value) == (
        f"run_date {night} is not over yet (today is 2026-02-01 (UTC): run it once midnight UTC has ended that day)"
    )
    settings.refuse_unfinished(date(2026, 1, 31), today=date(2026, 2, 1))


def test_a_night_ends_at_midnight_after_its_date() -> None:
    assert settings.night_end(date(2026, 6, 30)) == datetime(2026, 7, 1, tzinfo=UTC)
