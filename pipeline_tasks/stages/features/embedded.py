"""What an embedding of the items is: vectors by a key, and what a record says of their making."""

from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.spark.item_features import Embedding

# up to so many vectors are sent to all workers, rather than all items to where their vector is
BROADCAST_ROWS = 50_000


@dataclass(frozen=True)
class Embedded:
    """An embedding of the items, and what a record says of its making."""

    vectors: Embedding
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def to_all_workers(vectors: DataFrame, rows: int) -> DataFrame:
    """Return the vectors, marked to be sent to all workers where they are not too many."""
    return F.broadcast(vectors) if rows <= BROADCAST_ROWS else vectors
