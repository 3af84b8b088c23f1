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
from pipeline_tasks.spark.staging import Staging


def read_anew(staging: Staging, settings: Settings, known: pa.Table, end: datetime) -> pa.Table:
    """Return `known` (item_id, item_index) by item_id, with `available` as the source says it now.

    A version of an item counts up to `check.availability_hours` after `end`, the night's own. An item that
    the source no longer has is not available; where the source has no items at all, everything is. Raises
    Refused for a source that cannot be read.
    """
    table = declared(choose(settings), "items")
    if table is None:
        return known.append_column("available", pa.repeat(True, known.num_rows)).sort_by("item_id")
    found = layouts(table)
    uris = [uri for layout in found for uri in layout.files]
    paths = spark_paths(table, uris, staging.scratch, cluster=not settings.spark.is_local)
    cut = end + timedelta(hours=settings.check.availability_hours)
    with reading(table):
        now = available_items(typed_table(staging.spark, table, found, paths), cut).toArrow()
    joined = known.join(now, "item_id", join_type="left outer")
    place = joined.schema.get_field_index("available")
    return joined.set_column(place, "available", joined["available"].fill_null(False)).sort_by("item_id")


def available_items(items: DataFrame, cut: datetime) -> DataFrame:
    """Return item_id and available of every item by its newest version before `cut`.

    Of equally new versions all must be available. A version without a moment always held, so every other
    one is newer; one that does not say is available.
    """
    counts = F.col("updated_at").isNull() | (F.col("updated_at") < F.lit(cut))
    moment = F.coalesce("updated_at", F.timestamp_seconds(F.lit(-(10**10))))
    gone = ~F.coalesce("available", F.lit(True))
    newest = F.max(F.struct(moment.alias("moment"), gone.alias("gone")))
    return (
        items.where(counts & F.col("item_id").isNotNull())
        .groupBy("item_id")
        .agg(newest.alias("newest"))
        .select("item_id", (~F.col("newest.gone")).alias("available"))
    )


def snapshot(unavailable: Sequence[str], known: int) -> dict[str, Any]:
    """Return what a manifest says of availability: counts, and a digest of the sorted unavailable ids."""
    listed = json.dumps(list(unavailable), ensure_ascii=False).encode()
    return {"known": known, "unavailable": len(unavailable), "sha256": hashlib.sha256(listed).hexdigest()}
