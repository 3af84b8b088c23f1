"""Availability read anew: the source's items and the known ones in, what can be had now out."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.settings import Settings
from pipeline_tasks.sources import choose, declared, layouts
from pipeline_tasks.spark.reading import reading, spark_paths, typed_table
from pipeline_tasks.spark.session import is_local
from pipeline_tasks.spark.staging import Staging


def read_anew(staging: Staging, settings: Settings, known: DataFrame, end: datetime) -> pa.Table:
    """Return item_id, item_index and available of every known item, by item_id, as the source lies there now.

    A version counts up to `check.availability_hours` after `end`, the night's own. Raises Refused for a
    source that cannot be read.
    """
    table = declared(choose(settings), "items")
    if table is None:
        return available_items(known, None, end).orderBy("item_id").toArrow()
    found = layouts(table)
    uris = [uri for layout in found for uri in layout.files]
    paths = spark_paths(table, uris, staging.scratch, cluster=not is_local(settings.spark))
    cut = end + timedelta(hours=settings.check.availability_hours)
    with reading(table):
        items = typed_table(staging.spark, table, found, paths)
        return available_items(known, items, cut).orderBy("item_id").toArrow()


def available_items(known: DataFrame, items: DataFrame | None, cut: datetime) -> DataFrame:
    """Return item_id, item_index and available of every known item, by its newest versions before `cut`.

    An item that the source no longer has is not available; of equally new versions all must be. Without
    `items` everything is.
    """
    if items is None:
        return known.select("item_id", "item_index", F.lit(True).alias("available"))
    # a version without a moment always held, so every other one is newer
    moment = F.coalesce("updated_at", F.timestamp_seconds(F.lit(-(10**10))))
    versions = items.where(
        F.col("item_id").isNotNull() & (F.col("updated_at").isNull() | (F.col("updated_at") < F.lit(cut)))
    ).select("item_id", moment.alias("moment"), F.coalesce("available", F.lit(True)).alias("available"))
    newest = versions.groupBy("item_id").agg(F.max("moment").alias("moment"))
    now = (
        versions.join(newest, ["item_id", "moment"])
        .groupBy("item_id")
        .agg(F.min("available").alias("available"))
    )
    return known.join(now, "item_id", "left").select(
        "item_id", "item_index", F.coalesce("available", F.lit(False)).alias("available")
    )


def snapshot(unavailable: Sequence[str], known: int) -> dict[str, Any]:
    """Return what a manifest says of availability: counts, and a digest of the sorted unavailable ids."""
    listed = json.dumps(list(unavailable), ensure_ascii=False).encode()
    return {"known": known, "unavailable": len(unavailable), "sha256": hashlib.sha256(listed).hexdigest()}
