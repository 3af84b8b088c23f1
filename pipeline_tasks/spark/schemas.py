"""Contracts, and what Parquet files hold, in; the schemas of Spark's frames out."""

import pyarrow as pa
from pyspark.sql import types as T

from pipeline_tasks.contracts import ColumnType, Contract
from pipeline_tasks.sources.texts import is_list
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
# as Spark reads what Arrow has written; it has no unsigned numbers, and takes a column of nulls for numbers
PARQUET_TYPES: dict[pa.DataType, T.DataType] = {
    pa.bool_(): T.BooleanType(),
    pa.int8(): T.ByteType(),
    pa.int16(): T.ShortType(),
    pa.int32(): T.IntegerType(),
    pa.int64(): T.LongType(),
    pa.uint8(): T.ShortType(),
    pa.uint16(): T.IntegerType(),
    pa.uint32(): T.LongType(),
    pa.uint64(): T.DecimalType(20, 0),
    pa.float32(): T.FloatType(),
    pa.float64(): T.DoubleType(),
    pa.date32(): T.DateType(),
    pa.date64(): T.DateType(),
    pa.string(): T.StringType(),
    pa.large_string(): T.StringType(),
    pa.string_view(): T.StringType(),
    pa.binary(): T.BinaryType(),
    pa.large_binary(): T.BinaryType(),
    pa.binary_view(): T.BinaryType(),
    pa.null(): T.IntegerType(),
}


def parquet_type(kind: pa.DataType) -> T.DataType:
    """Return as what Spark reads a Parquet column that Arrow reads as `kind`; nanoseconds as whole numbers.

    Raises KeyError for what no column of a contract can be made of.
    """
    if pa.types.is_dictionary(kind):
        return parquet_type(kind.value_type)
    if is_list(kind):
        return T.ArrayType(parquet_type(kind.value_type))
    if pa.types.is_decimal(kind):
        return T.DecimalType(kind.precision, kind.scale)
    if pa.types.is_timestamp(kind) and kind.unit != "ns":
        return T.TimestampType() if kind.tz else T.TimestampNTZType()
    return T.LongType() if pa.types.is_timestamp(kind) else PARQUET_TYPES[kind]


def schema(contract: Contract) -> T.StructType:
    """Return the Spark schema of a contract's typed rows."""
    return T.StructType([T.StructField(each.name, SPARK_TYPES[each.type]) for each in contract.columns])


def typed_schema(contract: Contract) -> T.StructType:
    """Return the Spark schema of what `type_batches` gives: the contract's columns, row, reason, reasons."""
    found = schema(contract)
    return (
        found.add(ROW, T.StringType()).add(REASON, T.StringType()).add(REASONS, T.ArrayType(T.StringType()))
    )
