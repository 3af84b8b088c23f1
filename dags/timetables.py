"""When a DAG starts by itself."""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable

# in which a first start is still made up for
LATE = timedelta(hours=1)


def every(cron: str) -> CronTriggerTimetable:
    """Return the starts of a cron expression in UTC.

    A DAG that has never run takes up the start before only where that was less than an hour ago. Airflow works out the
    first start anew whenever it parses the file: without that hour a parse between the start and the scheduler's next
    look would put the first run off to the next start.
    """
    return CronTriggerTimetable(cron, timezone="UTC", run_immediately=LATE)
