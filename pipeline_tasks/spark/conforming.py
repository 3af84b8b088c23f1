"""A frame with a contract's columns among others in, exactly the contract's columns and types out."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.contracts import Contract
from pipeline_tasks.spark.schemas import SPARK_TYPES


def conform(frame: DataFrame, contract: Contract) -> DataFrame:
    """Return the contract's columns in its order and types; null where the frame has no such column."""
    present = set(frame.columns)
    return frame.select(
        *[
            (F.col(each.name) if each.name in present else F.lit(None))
            .cast(SPARK_TYPES[each.type])
            .alias(each.name)
            for each in contract.columns
        ]
    )
