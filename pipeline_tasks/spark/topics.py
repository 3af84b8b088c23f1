"""Topics: categories and tags in, TF-IDF vectors hashed to a fixed width out.

A term's slot is its CRC-32 modulo the width, the same in every process. Counts are summed as whole numbers,
so that a vector does not depend on the order in which partitions arrive.
"""

from functools import reduce
from operator import add

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.item_attributes import LEVELS
from pipeline_tasks.spark.snapshots import STAMP


def add_slots(items: DataFrame, width: int) -> DataFrame:
    """Return the items with `slots`, an array of (slot, count): how many of an item's terms fall into each.

    `items` has category and tags.
    """
    numbers = F.transform(
        terms("category", "tags"),
        lambda term: F.pmod(F.crc32(F.encode(term, "utf-8")), F.lit(width)).cast("int"),
    )
    counted = F.transform(
        F.array_distinct("_numbers"),
        lambda slot: F.struct(
            slot.alias("slot"), F.size(F.filter("_numbers", lambda each: each == slot)).alias("count")
        ),
    )
    return items.withColumn("_numbers", numbers).withColumn("slots", counted).drop("_numbers")


def terms(category: str, tags: str) -> Column:
    """Return the terms of a row: each level of its category as a path from the root, and each tag."""
    levels = F.split(F.lower(F.trim(category)), LEVELS)
    paths = F.transform(
        levels,
        lambda _, n: F.concat(F.lit("category:"), F.array_join(F.slice(levels, F.lit(1), n + 1), LEVELS)),
    )
    labels = F.transform(tags, lambda tag: F.concat(F.lit("tag:"), F.lower(F.trim(tag))))
    empty: Column = F.array().cast("array<string>")
    return F.array_distinct(F.concat(F.coalesce(paths, empty), F.coalesce(labels, empty)))


def slots_of(items: DataFrame) -> DataFrame:
    """Return (item_id, event_timestamp, slot, count), from one row an item and stamp with `slots`."""
    return items.select("item_id", STAMP, F.inline("slots"))


def weigh_slots(slots: DataFrame, items: DataFrame) -> DataFrame:
    """Return (event_timestamp, slot, idf) with idf = ln((1 + items) / (1 + items with the slot)) + 1.

    The smoothed inverse document frequency of scikit-learn's TfidfTransformer, over the catalogue as it was
    at the stamp.
    """
    total = items.groupBy(STAMP).agg(F.count(F.lit(1)).alias("total"))
    frequency = slots.groupBy(STAMP, "slot").agg(F.count(F.lit(1)).alias("frequency"))
    idf = F.log((F.lit(1) + F.col("total")) / (F.lit(1) + F.col("frequency"))) + 1
    return frequency.join(F.broadcast(total), STAMP).select(STAMP, "slot", idf.alias("idf"))


def to_vectors(counts: DataFrame, idf: DataFrame, key: str, name: str, width: int) -> DataFrame:
    """Return (key, event_timestamp, name): count x idf by slot, as an L2-normalized vector of `width`."""
    value = F.col("count") * F.col("idf")
    slots = [f"_{slot}" for slot in range(width)]
    sums = [
        F.sum(F.when(F.col("slot") == n, value).otherwise(0.0)).alias(slot) for n, slot in enumerate(slots)
    ]
    dense = counts.join(F.broadcast(idf), [STAMP, "slot"]).groupBy(key, STAMP).agg(*sums)
    square = reduce(add, [F.col(slot) * F.col(slot) for slot in slots])
    normed = dense.withColumn("_norm", F.when(square > 0, F.sqrt(square)).otherwise(1.0))
    vector = F.array(*[(F.col(slot) / F.col("_norm")).cast("float") for slot in slots])
    return normed.select(key, STAMP, vector.alias(name))


def zeros(width: int) -> Column:
    """Return the vector of those about whom nothing is known."""
    return F.array_repeat(F.lit(0.0).cast("float"), width)
