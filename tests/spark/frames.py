"""Frames for tests: rows of the builders in, Spark frames with the contracts' types out, and back."""

from collections.abc import Iterable
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from pipeline_tasks.contracts import INTERACTIONS, ITEMS, USERS, Contract
from pipeline_tasks.spark.schemas import schema
from tests import builders


def frame(spark: SparkSession, contract: Contract, rows: Iterable[dict[str, Any]]) -> DataFrame:
    """Return rows as a frame of the contract's columns and types."""
    values = [tuple(row.get(name) for name in contract.names) for row in rows]
    return spark.createDataFrame(values, schema(contract))


def interactions(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    return frame(spark, INTERACTIONS, builders.interactions(rows))


def items(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    return frame(spark, ITEMS, [builders.item(**row) for row in rows])


def users(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    return frame(spark, USERS, [builders.user(**row) for row in rows])


def rows(found: DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """Return the frame's rows, of the columns that are named, sorted by them."""
    picked = found.select(*columns) if columns else found
    return sorted((tuple(row) for row in picked.collect()), key=repr)
