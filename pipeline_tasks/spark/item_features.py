"""Item features: events and items as they were known in, one row an item and stamp out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline_tasks.contracts import ITEM_FEATURES, WINDOWS_DAYS
from pipeline_tasks.spark import topics
from pipeline_tasks.spark.conforming import conform
from pipeline_tasks.spark.snapshots import STAMP, activity, days_between, known_entities
from pipeline_tasks.spark.user_features import MILLION

POPULARITY = {f"events_{days}d": f"popularity_{days}d" for days in WINDOWS_DAYS}


@dataclass(frozen=True)
class Embedding:
    """Vectors of `width` by the value of an items' column `key`; none where `frame` is None.

    `frame` has the columns `key` and `name`. A `width` of 0 says that nobody knows how long one would be.
    """

    name: str
    key: str
    width: int
    frame: DataFrame | None


def make_item_features(
    events: DataFrame,
    versions: DataFrame,
    items: DataFrame,
    embeddings: Sequence[Embedding],
    stamps: Sequence[datetime],
    width: int,
) -> DataFrame:
    """Return ITEM_FEATURES of every item known at each stamp.

    `events` has item_id, event_time and known_at; `versions` is all versions of all items; `items` is one
    row an item and stamp (item_id, event_timestamp, slots, category, price and the embeddings' keys), as
    known then; topics are `width` wide.
    """
    known = known_entities(versions, "item_id", "appeared_at", stamps).select("item_id", STAMP, "appeared_at")
    rows = known.join(activity(events, "item_id", stamps, WINDOWS_DAYS), ["item_id", STAMP], "full")
    slots = topics.slots_of(items)
    idf = topics.weigh_slots(slots, items)
    vectors = topics.to_vectors(slots, idf, "item_id", "topics", width)
    for part in (place_prices(items, [each.key for each in embeddings]), vectors):
        rows = rows.join(part, ["item_id", STAMP], "left")
    counted = rows.fillna(0, subset=list(POPULARITY)).withColumnsRenamed(POPULARITY)
    made = counted.withColumn("_since", F.coalesce("appeared_at", "first_event")).withColumns(
        {
            "trend": trend(),
            "age_days": days_between("_since", STAMP),
            "topics": F.coalesce("topics", topics.zeros(width)),
        }
    )
    # the widest columns come last, so that they travel once
    for each in embeddings:
        made = _join_embedding(made, each)
    return conform(made, ITEM_FEATURES)


def _join_embedding(rows: DataFrame, embedding: Embedding) -> DataFrame:
    name, zeros = embedding.name, topics.zeros(embedding.width)
    if embedding.frame is None:
        return rows.withColumn(name, zeros) if embedding.width else rows
    joined = rows.join(embedding.frame, embedding.key, "left")
    return joined.withColumn(name, F.coalesce(name, zeros))


def place_prices(items: DataFrame, others: Sequence[str] = ()) -> DataFrame:
    """Return (item_id, event_timestamp, price, price_in_category) and `others`: log1p(price) beside its
    category's mean."""
    logarithm = F.round(F.log1p("price") * F.lit(MILLION)).cast("long")
    category = Window.partitionBy(STAMP, "category")
    mean = F.sum(logarithm).over(category) / F.count(logarithm).over(category)
    place = F.when(F.col("category").isNotNull(), (logarithm - mean) / F.lit(MILLION))
    return items.select("item_id", STAMP, "price", place.alias("price_in_category"), *others)


def trend() -> Column:
    """ln of the daily rate of 7 days over that of 30, each with one event in 30 days added: 0 without any."""
    week, month = F.col("popularity_7d") / 7, F.col("popularity_30d") / 30
    return F.log((week + 1 / 30) / (month + 1 / 30))
