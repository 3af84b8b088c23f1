"""Availability read anew: the source's items and the known ones in, what can be had now out."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline_tasks.dataset.engine import open_engine
from pipeline_tasks.settings import Settings
from pipeline_tasks.sources import choose, declared, layouts
from pipeline_tasks.sources.reading import typed_columns

ASKED = ("item_id", "updated_at", "available")
# of equally new versions all must be available; one without a moment always held, so every other one is newer
NEWEST = """
    SELECT item_id, NOT max({'moment': coalesce(updated_at, '-infinity'), 'gone': available IS FALSE}).gone AS available
    FROM versions
    WHERE item_id IS NOT NULL AND (updated_at IS NULL OR epoch_us(updated_at) < $cut_us) GROUP BY item_id"""


def read_anew(settings: Settings, known: pa.Table, end: datetime, scratch: Path) -> pa.Table:
    """Return `known` (item_id, item_index) by item_id, with `available` as the source says it now.

    A version of an item counts up to `check.availability_hours` after `end`, the night's own. An item that
    the source no longer has is not available; where the source has no items at all, everything is. Raises
    Refused for a source that cannot be read.
    """
    table = declared(choose(settings), "items")
    if table is None:
        return known.append_column("available", pa.repeat(True, known.num_rows)).sort_by("item_id")
    versions = typed_columns(table, layouts(table), ASKED)
    cut = end + timedelta(hours=settings.check.availability_hours)
    now = available_items(versions, cut, scratch, settings.spark.driver_memory)
    joined = known.join(now, "item_id", join_type="left outer")
    place = joined.schema.get_field_index("available")
    return joined.set_column(place, "available", joined["available"].fill_null(False)).sort_by("item_id")


def available_items(versions: pa.Table, cut: datetime, scratch: Path, memory: str) -> pa.Table:
    """Return item_id and available of every item by its newest version before `cut`.

    One that does not say whether it is available is; rows without an id are none.
    """
    with open_engine(scratch, memory) as engine:
        engine.register("versions", versions)
        return engine.sql(NEWEST, params={"cut_us": int(cut.timestamp() * 1_000_000)}).to_arrow_table()


def snapshot(unavailable: Sequence[str], known: int) -> dict[str, Any]:
    """Return what a manifest says of availability: counts, and a digest of the sorted unavailable ids."""
    listed = json.dumps(list(unavailable), ensure_ascii=False).encode()
    return {"known": known, "unavailable": len(unavailable), "sha256": hashlib.sha256(listed).hexdigest()}
