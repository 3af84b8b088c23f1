"""Availability read anew: the source's items and the known ones in, what can be had now out."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_tasks.contracts import ITEMS
from pipeline_tasks.dataset.engine import open_engine
from pipeline_tasks.settings import Settings
from pipeline_tasks.sources import choose, declared, layouts, told_unwritten
from pipeline_tasks.sources.reading import typed_columns
from pipeline_tasks.sources.typed import REASONS, untypable

ASKED = ("item_id", "updated_at", "available")
UNREAD = untypable(ITEMS.column("available"))
# of equally new versions all must be available; one without a moment always held, so every other one is newer
NEWEST = f"""
    WITH said AS (SELECT *, list_contains({REASONS}, '{UNREAD}') AS unread FROM versions), newest AS (
        SELECT item_id, max({{'moment': coalesce(updated_at, '-infinity'), 'gone': unread OR available IS FALSE,
                              'unread': unread}}) AS version
        FROM said
        WHERE item_id IS NOT NULL AND (updated_at IS NULL OR epoch_us(updated_at) < $cut_us) GROUP BY item_id)
    SELECT item_id, NOT version.gone AS available, version.unread AS unread FROM newest"""  # noqa: S608 - no input


@dataclass(frozen=True)
class Stock:
    """The known items by item_id, each with `available`; `warnings` say what the source does not tell of that."""

    items: pa.Table
    warnings: list[str]

    @property
    def gone(self) -> pa.Array:
        """The ids of what cannot be had."""
        return self.items.filter(pc.invert(self.items["available"]))["item_id"].combine_chunks()


def read_anew(settings: Settings, known: pa.Table, end: datetime, scratch: Path) -> Stock:
    """Return which of `known` (item_id, and columns to keep) the source has now.

    A version of an item counts up to `check.availability_hours` after `end`, the night's own. An item that
    the source no longer has is not available; where the source has no items at all, everything is. Raises
    Refused for a source that cannot be read.
    """
    table = declared(choose(settings), "items")
    if table is None:
        return Stock(known.append_column("available", pa.repeat(True, known.num_rows)).sort_by("item_id"), [])
    found = layouts(table)
    versions = typed_columns(table, found, ASKED)
    cut = end + timedelta(hours=settings.check.availability_hours)
    now = available_items(versions, cut, scratch, settings.spark.driver_memory)
    joined = known.join(now, "item_id", join_type="left outer")
    for name in ("available", "unread"):
        place = joined.schema.get_field_index(name)
        joined = joined.set_column(place, name, joined[name].fill_null(False))
    told = [*told_unwritten(table, found, ["available"]), *_told_unread(joined)]
    return Stock(joined.drop_columns("unread").sort_by("item_id"), told)


def available_items(versions: pa.Table, cut: datetime, scratch: Path, memory: str) -> pa.Table:
    """Return item_id, available and unread of every item by its newest version before `cut`.

    `versions` are as `typed_columns` returns them. A version that does not say whether it is available is; one
    that says it in words that cannot be read is not, and is `unread`. Rows without an id are none.
    """
    with open_engine(scratch, memory) as engine:
        engine.register("versions", versions)
        return engine.sql(NEWEST, params={"cut_us": int(cut.timestamp() * 1_000_000)}).to_arrow_table()


def _told_unread(items: pa.Table) -> Iterator[str]:
    """Yield what to tell of the items whose availability cannot be read."""
    unread = items.filter(items["unread"])["item_id"]
    if len(unread):
        yield (
            "items whose newest version says of available what cannot be read count as sold out: "
            f"{len(unread):,}, as {pc.min(unread).as_py()!r}"
        )


def snapshot(unavailable: Sequence[str], known: int) -> dict[str, Any]:
    """Return what a manifest says of availability: counts, and a digest of the sorted unavailable ids."""
    listed = json.dumps(list(unavailable), ensure_ascii=False).encode()
    return {"known": known, "unavailable": len(unavailable), "sha256": hashlib.sha256(listed).hexdigest()}
