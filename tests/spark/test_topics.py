"""Topics of items and users."""

import math
import zlib
from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipeline_tasks.spark.snapshots import STAMP
from pipeline_tasks.spark.topics import add_slots, slots_of, terms, to_vectors, weigh_slots
from tests.builders import START
from tests.spark.frames import items, rows

WIDTH = 64
TERMS = ["category:home", "category:home > kitchen", "tag:copper"]


def slot(term: str) -> int:
    return zlib.crc32(term.encode()) % WIDTH


def catalogue(spark: SparkSession, *found: dict[str, Any]) -> DataFrame:
    """Return items with slots at one stamp."""
    stamped = items(spark, *found).withColumn(STAMP, F.lit(START + timedelta(days=1)))
    return add_slots(stamped, WIDTH)


def test_terms_are_paths_of_levels_and_tags(spark: SparkSession) -> None:
    frame = items(
        spark,
        {"category": "Home > Kitchen", "tags": ["Copper", "copper "]},
        {"category": None, "tags": ["copper"]},
        {"category": None, "tags": None},
    )
    found = [row[0] for row in frame.select(terms("category", "tags")).collect()]
    assert found == [TERMS, ["tag:copper"], []]


def test_a_slot_is_the_crc_of_the_term_whatever_the_process(spark: SparkSession) -> None:
    found = slots_of(catalogue(spark, {"category": "Home > Kitchen", "tags": ["copper"]}))
    assert {row.slot: row["count"] for row in found.collect()} == {slot(term): 1 for term in TERMS}


def test_terms_that_share_a_slot_are_counted_together(spark: SparkSession) -> None:
    frame = add_slots(items(spark, {"category": None, "tags": [f"t{n}" for n in range(20)]}), 4)
    found = frame.select(F.inline("slots")).collect()
    assert sum(row["count"] for row in found) == 20
    assert len(found) <= 4


def test_vectors_are_tf_idf_of_unit_length(spark: SparkSession) -> None:
    rare, common = "tag:rare", "tag:common"
    assert slot(rare) != slot(common)
    frame = catalogue(
        spark,
        {"item_id": "a", "category": None, "tags": ["common", "rare"]},
        {"item_id": "b", "category": None, "tags": ["common"]},
        {"item_id": "c", "category": None, "tags": None},
    )
    slots = slots_of(frame)
    found = to_vectors(slots, weigh_slots(slots, frame), "item_id", "topics", WIDTH)
    vectors = {row.item_id: row.topics for row in found.collect()}
    weight = {rare: math.log(4 / 2) + 1, common: math.log(4 / 3) + 1}
    length = math.hypot(*weight.values())
    assert vectors["a"][slot(rare)] == pytest.approx(weight[rare] / length)
    assert vectors["a"][slot(common)] == pytest.approx(weight[common] / length)
    assert sum(value > 0 for value in vectors["a"]) == 2
    assert vectors["b"][slot(common)] == pytest.approx(1.0)
    assert rows(found, "item_id") == [("a",), ("b",)]
