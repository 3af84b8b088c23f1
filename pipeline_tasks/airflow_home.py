"""The project's own Airflow: a home inside the checkout, its DAGs, its UI on the loopback, no usage statistics."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from pipeline_tasks import processes
from pipeline_tasks.errors import NightjarError
from pipeline_tasks.settings import CHECKOUT

HOME = Path(os.environ.get("AIRFLOW_HOME") or CHECKOUT / ".airflow").expanduser().absolute()
CONNECTION, SCHEMA = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_SCHEMA"

# in which a task may have its container or pod removed: Docker gives that 10 to end
ELSEWHERE_SECONDS = 20.0
# of Airflow's commands, those that need no metadata database, or make it
WITHOUT_DATABASE = ("db", "version", "--help", "-h")


def environment(database: Path | None = None) -> dict[str, str]:
    """Return the environment that Airflow's commands run in; what the caller has set goes first, but for a `database` (SQLite)."""
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
        **({CONNECTION: f"sqlite:///{database}", SCHEMA: ""} if database else {}),
        "PATH": _before(Path(sys.executable).parent, "PATH"),
        "PYTHONPATH": os.pathsep.join((_before(CHECKOUT, "PYTHONPATH"), *_settings_of_ours())),
    }


def _settings_of_ours() -> list[str]:
    """Return the folder of our `airflow_local_settings`; a home's own go before them."""
    own = HOME / "config" / "airflow_local_settings.py"
    return [] if own.is_file() else [str(CHECKOUT / "pipeline_tasks" / "airflow_config")]


def _before(folder: Path, variable: str) -> str:
    return os.pathsep.join(filter(None, (str(folder), os.environ.get(variable, ""))))


def command(*arguments: str) -> list[str]:
    """Return the argument list of an Airflow command under this interpreter."""
    return [sys.executable, "-m", "airflow", *arguments]


def prepare(database: Path, log: Path) -> None:
    """Make or upgrade a metadata database on its first use by this Airflow; later calls do nothing.

    Raises NightjarError when Airflow cannot; `log` has the reason.
    """
    migrated, ours = database.with_suffix(".migrated-by"), version("apache-airflow")
    if database.is_file() and migrated.is_file() and migrated.read_text() == ours:
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        done = subprocess.run(
            command("db", "migrate"),
            env=environment(database),
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise NightjarError(f"Airflow cannot make or upgrade its database {database}", f"see {log}")
    migrated.write_text(ours)


def run_airflow(arguments: list[str]) -> int:
    """Run an Airflow command (`standalone`, `dags list`, …) in the project's home; return its exit code.

    In the checkout's own home the database is made first; one elsewhere is its owner's to migrate. Whoever ends this process
    ends all that `standalone` has started. Raises NightjarError as `prepare`.
    """
    elsewhere = "AIRFLOW_HOME" in os.environ or any(name.startswith(CONNECTION) for name in os.environ)
    if arguments and arguments[0] not in WITHOUT_DATABASE and not elsewhere:
        prepare(HOME / "airflow.db", HOME / "logs" / "migration.log")
    if arguments[:1] == ["standalone"]:
        with processes.started(lambda: _start_alone(arguments), _end_session) as process:
            return process.wait()
    return subprocess.run(command(*arguments), env=environment(), check=False).returncode


def _start_alone(arguments: list[str]) -> subprocess.Popen[bytes]:
    """Start Airflow in a session of its own, which tells what it has started."""
    return subprocess.Popen(command(*arguments), env=environment(), start_new_session=True)


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """End all processes of Airflow at once: asked alone, its scheduler would wait for the stages that are at work."""
    processes.end(processes.of_session(process.pid), ELSEWHERE_SECONDS)
    process.kill()  # where there is no /proc
    process.wait()
