"""A task that runs a command of the project's own on the worker: values reach it by environment, never by a shell line."""

import shlex
import sys
from typing import Any

from airflow.sdk import Param

from pipeline_tasks import settings


def version_param(empty: str) -> Param:
    """Return the trigger form's field for a version; `empty` says which it is where none is typed."""
    return Param(
        None,
        type=["null", "string"],
        pattern=settings.VERSION_PATTERN,
        title="Version",
        description=f"Empty: {empty}. `python -m pipeline_tasks versions` lists them.",
    )


def command_task(task_id: str, command: str, environment: dict[str, str], **options: Any) -> Any:
    """Return the operator that runs `python -m pipeline_tasks COMMAND`; exit code 99 is a skipped task."""
    from airflow.providers.standard.operators.bash import BashOperator

    return BashOperator(
        task_id=task_id,
        bash_command=f"exec {shlex.quote(sys.executable)} -m pipeline_tasks {command}",
        env={**environment, "PYTHONUNBUFFERED": "1"},
        append_env=True,
        cwd=str(settings.CHECKOUT),
        skip_on_exit_code=99,
        **options,
    )
