"""The project's own Airflow: a home inside the checkout, its DAGs, loopback only, no usage statistics."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline_tasks.settings import CHECKOUT

HOME = Path(os.environ.get("AIRFLOW_HOME") or CHECKOUT / ".airflow")


def environment() -> dict[str, str]:
    """Return the environment that Airflow's commands run in; what the caller has set goes first."""
    ours = {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(CHECKOUT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "GX_ANALYTICS_ENABLED": "False",
        "FEAST_USAGE": "False",
    }
    # `airflow standalone` starts its parts by the name "airflow"
    return {
        **ours,
        **os.environ,
        "PATH": _before(Path(sys.executable).parent, "PATH"),
        "PYTHONPATH": _before(CHECKOUT, "PYTHONPATH"),
    }


def _before(folder: Path, variable: str) -> str:
    return os.pathsep.join(filter(None, (str(folder), os.environ.get(variable, ""))))


def command(*arguments: str) -> list[str]:
    """Return the argument list of an Airflow command under this interpreter."""
    return [sys.executable, "-m", "airflow", *arguments]


def prepare(log: Path) -> None:
    """Make the metadata database on the first use of a home; later calls do nothing.

    Raises CalledProcessError when Airflow cannot make it; `log` has the reason.
    """
    if (HOME / "airflow.db").is_file() or "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in os.environ:
        return
    HOME.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        subprocess.run(
            command("db", "migrate"),
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            check=True,
        )


def run_airflow(arguments: list[str]) -> int:
    """Run an Airflow command (`standalone`, `dags list`, …) in the project's home; return its exit code."""
    return subprocess.run(command(*arguments), env=environment(), check=False).returncode
