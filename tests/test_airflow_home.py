"""Airflow's home is ready once its database has been migrated to the end, by the Airflow that is there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline_tasks import airflow_home
from pipeline_tasks.__main__ import main
from tests.conftest import CHECKOUT
from tests.living import living

# an Airflow that keeps what it is asked, makes its database first, and ends as it is told
AIRFLOW = """
import os, pathlib, sys
home, code, *words = sys.argv[1:]
with pathlib.Path(home, "asked").open("a") as file:
    print(*words, file=file)
database = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "")
if database.startswith("sqlite:///"):
    pathlib.Path(database.removeprefix("sqlite:///")).touch()
print("migrating")
sys.exit(int(code))
"""


# a standalone one: a part of it, a task in a session of its own, and one whose parent has ended
STANDALONE = """
echo $$ >> pids
sleep 600 & echo $! >> pids
setsid sleep 600 & echo $! >> pids
sh -c "sleep 600 & echo \\$! >> pids"
wait
"""
ALONE = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background
from pipeline_tasks import airflow_home
from pipeline_tasks.__main__ import main
airflow_home.prepare = lambda database, log: None
airflow_home.command = lambda *words: ["sh", "-c", {script!r}]
sys.exit(main(["airflow", "standalone"]))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home, of an Airflow that can do all that it is asked."""
    monkeypatch.setattr(airflow_home, "HOME", tmp_path)
    for name in ("AIRFLOW_HOME", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        monkeypatch.delenv(name, raising=False)
    let_it_end_with(0, monkeypatch)
    return tmp_path


def let_it_end_with(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def command(*words: str) -> list[str]:
        return [sys.executable, "-c", AIRFLOW, str(airflow_home.HOME), str(code), *words]

    monkeypatch.setattr(airflow_home, "command", command)


def asked(home: Path) -> list[str]:
    return (home / "asked").read_text().splitlines()


def test_a_home_is_migrated_until_that_has_come_to_its_end(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let_it_end_with(1, monkeypatch)
    assert main(["airflow", "dags", "list"]) == 1
    log = home / "logs/migration.log"
    assert capsys.readouterr().err == (
        f"airflow: Airflow cannot make or upgrade its database {home}/airflow.db (see {log})\n"
    )
    assert log.read_text() == "migrating\n"
    let_it_end_with(0, monkeypatch)
    for _ in range(2):
        assert main(["airflow", "dags", "list"]) == 0
    assert asked(home) == ["db migrate", "db migrate", "dags list", "dags list"]


def test_another_airflow_migrates_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        airflow_home.prepare(home / "a.db", home / "log")
    assert asked(home) == ["db migrate"]
    airflow_home.prepare(home / "b.db", home / "log")
    assert asked(home) == ["db migrate"] * 2
    monkeypatch.setattr(airflow_home, "version", lambda name: "99.0")
    airflow_home.prepare(home / "a.db", home / "log")
    assert asked(home) == ["db migrate"] * 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_ends_a_standalone_airflow_ends_all_that_it_has_started(
    tmp_path: Path, number: signal.Signals
) -> None:
    pids = tmp_path / "pids"
    code = ALONE.format(script=f"cd {tmp_path}; {STANDALONE.strip()}")
    process = subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, stderr=subprocess.DEVNULL)
    begun: list[int] = []
    try:
        until = time.monotonic() + 60
        while not (pids.is_file() and len(pids.read_text().split()) == 4) and time.monotonic() < until:
            time.sleep(0.05)
        begun = [int(pid) for pid in pids.read_text().split()]
        assert len(begun) == 4
        process.send_signal(number)
        assert process.wait(60) == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
        assert living(begun) == []
    finally:
        process.kill()
        for each in living(begun):
            os.kill(each, signal.SIGKILL)


def test_what_needs_no_database_makes_none(home: Path) -> None:
    main(["airflow", "version"])
    main(["airflow", "db", "check"])
    assert asked(home) == ["version", "db check"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIRFLOW_HOME", "/srv/airflow"),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://elsewhere/airflow"),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", "cat /run/secrets/connection"),
    ],
)
def test_a_database_elsewhere_is_its_owners_to_migrate(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    main(["airflow", "dags", "list"])
    assert asked(home) == ["dags list"]


def test_a_database_that_is_asked_for_goes_before_the_callers(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://elsewhere/airflow")
    for database, connection in (
        (None, "postgresql://elsewhere/airflow"),
        (home / "a.db", f"sqlite:///{home}/a.db"),
    ):
        assert airflow_home.environment(database)["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == connection


def test_a_homes_own_settings_go_before_ours(home: Path) -> None:
    ours = str(airflow_home.CHECKOUT / "pipeline_tasks" / "airflow_config")
    assert ours in airflow_home.environment()["PYTHONPATH"].split(os.pathsep)
    (home / "config").mkdir()
    (home / "config" / "airflow_local_settings.py").touch()
    assert ours not in airflow_home.environment()["PYTHONPATH"].split(os.pathsep)
