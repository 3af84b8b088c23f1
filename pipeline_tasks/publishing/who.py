"""Whose hand an entry of the log is: the environment in, a name out."""

import getpass
import os

RUN = "airflow "


def who() -> str:
    """Return the Airflow run that this process belongs to, else the user: Airflow tells its tasks."""
    dag, run = os.environ.get("AIRFLOW_CTX_DAG_ID"), os.environ.get("AIRFLOW_CTX_DAG_RUN_ID")
    if dag and run:
        return f"{RUN}{dag} {run}"
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}"


def is_one_run(name: str) -> bool:
    """Say whether the name is of one Airflow run, whose tasks may be tried again, and not of a person."""
    return name.startswith(RUN)
