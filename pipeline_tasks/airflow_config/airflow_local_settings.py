"""How the project's Airflow opens a metadata database in SQLite: Airflow takes these functions from the module of this name.

A SAVEPOINT outside a transaction begins one of its own in SQLite, and releasing it commits: Airflow's `backfill create`
published its runs one by one, failed with "database is locked" at the first that met another writer, and removed the others
from under the scheduler, which ended by that (apache/airflow#66726). Begun as a writer's, the transaction waits for its turn
and is whole.
"""

from typing import Any

from airflow.settings import create_metadata_engine as _create_metadata_engine
from sqlalchemy import Connection, Engine, event

__all__ = ["create_metadata_engine"]

# SQLite's own 5 are short on a busy machine
WAIT_SECONDS = 60


def create_metadata_engine(
    sql_alchemy_conn: str, *, engine_args: dict[str, Any], connect_args: dict[str, Any]
) -> Engine:
    """Return Airflow's engine; one of SQLite waits longer, and for its savepoints as for other writes."""
    sqlite = sql_alchemy_conn.startswith("sqlite")
    waiting = {"timeout": WAIT_SECONDS} if sqlite else {}
    engine: Engine = _create_metadata_engine(
        sql_alchemy_conn, engine_args=engine_args, connect_args={**waiting, **connect_args}
    )
    if sqlite:
        event.listen(engine, "savepoint", _begin)
    return engine


def _begin(connection: Connection, name: str | None) -> None:
    if not connection.connection.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
