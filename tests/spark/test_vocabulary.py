"""The append-only vocabulary."""

from pyspark.sql import DataFrame, SparkSession

from pipeline_tasks.spark.vocabulary import extend_vocabulary
from tests.spark.frames import rows


def ids(spark: SparkSession, *found: str | None) -> DataFrame:
    return spark.createDataFrame([(each,) for each in found], "item_id string")


def extend(spark: SparkSession, known: DataFrame | None, *found: str | None, start: int = 1) -> DataFrame:
    return extend_vocabulary(known, ids(spark, *found), "item_id", "item_index", start)


def test_ids_are_numbered_from_one_in_sorted_order(spark: SparkSession) -> None:
    first = extend(spark, None, "b", "a", "ä", "B", "b", None)
    assert rows(first) == [("B", 1), ("a", 2), ("b", 3), ("ä", 4)]


def test_known_ids_keep_their_integers_and_new_ones_follow(spark: SparkSession) -> None:
    first = extend(spark, None, "m", "z")
    second = extend(spark, first, "z", "a", "n", start=3)
    assert rows(second) == [("a", 3), ("m", 1), ("n", 4), ("z", 2)]


def test_ids_that_are_seen_no_more_stay(spark: SparkSession) -> None:
    first = extend(spark, None, "m")
    assert rows(extend(spark, first, start=2)) == [("m", 1)]


def test_an_empty_vocabulary_is_empty(spark: SparkSession) -> None:
    assert rows(extend(spark, None)) == []
