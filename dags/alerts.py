"""Whom a night wakes: the settings in, the DAG's deadline out; its failure calls the same command."""

from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference

from pipeline_tasks.notifying.callbacks import on_missed_deadline
from pipeline_tasks.settings import Settings


def deadline(loaded: Settings) -> DeadlineAlert | None:
    """Return the alert at `airflow.deadline`: a scheduled run's logical date is the moment that the schedule names.

    It runs in the triggerer: of Airflow's executors only one runs callbacks.
    """
    after = loaded.airflow.deadline_after
    if after is None:
        return None
    return DeadlineAlert(
        name=f"tables live by {loaded.airflow.deadline} UTC",
        reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
        interval=after,
        callback=AsyncCallback(on_missed_deadline),
    )
