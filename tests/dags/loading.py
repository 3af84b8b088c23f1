"""DAG files, loaded as Airflow does."""

from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent.parent


DAGS = CHECKOUT / "dags"


def load(name: str) -> Any:
    """Load a DAG file anew, as the DAG processor does; return its DAG."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(DAGS / f"{name}.py"))
    assert bag.import_errors == {}
    return bag.dags[name]


def serialized(dag: Any) -> Any:
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.serialize_dag(dag)


def as_scheduled(dag: Any) -> Any:
    """Return a DAG as the scheduler knows it: written to Airflow's database and read back."""
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.deserialize_dag(serialized(dag))
