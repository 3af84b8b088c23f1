"""Whose hand an entry of the log is: the environment in, a name out."""

import getpass
import os


def who() -> str:
    """Return the Airflow run that this process belongs to, else the user: Airflow tells its tasks."""
    dag, run = os.environ.get("AIRFLOW_CTX_DAG_ID"), os.environ.get("AIRFLOW_CTX_DAG_RUN_ID")
    if dag and run:
        return f"airflow {dag} {run}"
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}"
