"""Airflow's database in SQLite: what a savepoint holds waits for other writers, and is seen whole or not at all."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pipeline_tasks.airflow_config import airflow_local_settings

INSERT = text("INSERT INTO runs VALUES (:run)")
HELD_SECONDS = 1.0


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/airflow.db"


@pytest.fixture
def ours(url: str) -> Iterator[Engine]:
    engine = airflow_local_settings.create_metadata_engine(url, engine_args={}, connect_args={})
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE runs (run TEXT PRIMARY KEY)"))
    yield engine
    engine.dispose()


@pytest.mark.parametrize(("part", "seconds"), [("scheduler", 60), ("api-server", 5)])
def test_the_uis_server_waits_for_less(
    url: str, monkeypatch: pytest.MonkeyPatch, part: str, seconds: int
) -> None:
    monkeypatch.setattr("sys.argv", ["airflow", part])
    engine = airflow_local_settings.create_metadata_engine(url, engine_args={}, connect_args={})
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA busy_timeout")) == 1000 * seconds
    engine.dispose()


def runs(url: str) -> list[str]:
    with create_engine(url).connect() as connection:
        return sorted(connection.scalars(text("SELECT run FROM runs")))


def add(session: Session, run: str) -> None:
    """Look, then write, as a backfill does for each of its runs."""
    with session.begin_nested():
        assert run not in session.scalars(text("SELECT run FROM runs")).all()
        session.execute(INSERT, {"run": run})


def test_savepoints_are_parts_of_one_transaction(url: str, ours: Engine) -> None:
    with Session(ours) as session:
        for run in ("a", "b"):
            add(session, run)
            assert runs(url) == []
        with pytest.raises(IntegrityError), session.begin_nested():
            session.execute(INSERT, {"run": "a"})
        session.commit()
        add(session, "c")
        session.rollback()
    assert runs(url) == ["a", "b"]


def test_a_savepoint_waits_for_another_writer(url: str, ours: Engine) -> None:
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as other, Session(ours) as session:
        other.execute(text("BEGIN IMMEDIATE"))
        other.execute(INSERT, {"run": "theirs"})
        done = threading.Timer(HELD_SECONDS, other.execute, [text("COMMIT")])
        done.start()
        add(session, "ours")
        session.commit()
        done.join()
    assert runs(url) == ["ours", "theirs"]
