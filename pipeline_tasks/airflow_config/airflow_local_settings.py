"""How the project's Airflow opens a metadata database in SQLite: Airflow takes these functions from the module of this name.

A SAVEPOINT outside a transaction begins one of its own in SQLite, and releasing it commits: Airflow's `backfill create`
published its runs one by one, failed with "database is locked" at the first that met another writer, and removed the others
from under the scheduler, which ended by that (apache/airflow#66726). Begun as a writer's, the transaction waits for its turn
and is whole.
"""

import sys
from typing import Any

from airflow.settings import create_metadata_engine as _create_metadata_engine
from sqlalchemy import Connection, Engine, event

__all__ = ["create_metadata_engine"]

# SQLite's own 5 are short on a busy machine. The UI's server keeps to them: as it handles two calls that write at once, the
# thread of all its calls may wait for what only it can end, and tasks that report meanwhile give up after 28.
WAIT_SECONDS, SERVER_WAIT_SECONDS = 60, 5


def create_metadata_engine(
    sql_alchemy_conn: str, *, engine_args: dict[str, Any], connect_args: dict[str, Any]
) -> Engine:
    """Return Airflow's engine; one of SQLite waits longer, and for its savepoints as for other writes."""
    sqlite = sql_alchemy_conn.startswith("sqlite")
    seconds = SERVER_WAIT_SECONDS if "api-server" in sys.argv else WAIT_SECONDS
    waiting = {"timeout": seconds} if sqlite else {}
    engine: Engine = _create_metadata_engine(
        sql_alchemy_conn, engine_args=engine_args, connect_args={**waiting, **connect_args}
    )
    if sqlite:
        event.listen(engine, "savepoint", _begin)
    return engine


def _begin(connection: Connection, name: str | None) -> None:
    if not connection.connection.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
