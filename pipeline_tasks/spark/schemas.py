"""Contracts in, the schemas of Spark's frames out."""

from pyspark.sql import types as T

from pipeline_tasks.contracts import ColumnType, Contract
from pipeline_tasks.sources.typed import REASON, REASONS, ROW

SPARK_TYPES: dict[ColumnType, T.DataType] = {
    "string": T.StringType(),
    "integer": T.LongType(),
    "float": T.DoubleType(),
    "boolean": T.BooleanType(),
    "timestamp": T.TimestampType(),
    "strings": T.ArrayType(T.StringType()),
    "vector": T.ArrayType(T.FloatType()),
}


def schema(contract: Contract) -> T.StructType:
    """Return the Spark schema of a contract's typed rows."""
    return T.StructType([T.StructField(each.name, SPARK_TYPES[each.type]) for each in contract.columns])


def typed_schema(contract: Contract) -> T.StructType:
    """Return the Spark schema of what `type_batches` gives: the contract's columns, row, reason, reasons."""
    found = schema(contract)
    return (
        found.add(ROW, T.StringType()).add(REASON, T.StringType()).add(REASONS, T.ArrayType(T.StringType()))
    )
