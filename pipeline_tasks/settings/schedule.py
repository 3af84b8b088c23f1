"""When a DAG starts: a text in, the same text out, refused where Airflow would not take it."""

from typing import Annotated

from pydantic import AfterValidator

PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")


def _cron(text: str) -> str:
    """Return `text`; raises ValueError where it is no schedule. Who has no croniter, as the trainer, schedules nothing."""
    try:
        from croniter import CroniterBadCronError, CroniterBadDateError, croniter
    except ImportError:
        return text
    try:
        if text not in PRESETS:
            croniter(text).get_next()
    except (CroniterBadCronError, CroniterBadDateError) as error:
        raise ValueError(
            f"{text!r} is no cron expression; write minute, hour, day, month and weekday, as '0 2 * * *', or one of "
            f"{', '.join(PRESETS)}"
        ) from error
    return text


Schedule = Annotated[str, AfterValidator(_cron)]
