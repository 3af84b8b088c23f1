"""The known items and users as models read them: vocabulary and newest versions in, Arrow tables out."""

from collections.abc import Iterator, Sequence

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline_tasks.dataset import content
from pipeline_tasks.dataset.engine import ROWS_A_BATCH

USERS = pa.schema({"user_index": pa.int32(), "user_id": pa.string(), "segments": pa.list_(pa.string())})
FEATURES = ", ".join(f"item_features.{name}" for name in (*content.VECTORS, content.PRICE))


def items(engine: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return a row for each item of the vocabulary, by item_index, as its newest version says.

    Reads the views known_items, clean_items, item_features and events. first_seen (seconds) is when the item
    appeared or had its first event, whichever is earlier; null when neither is known.
    """
    found = engine.sql(f"""
        WITH newest AS (
            SELECT item_id, available, appeared_at, title, category, brand FROM clean_items
            QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY updated_at DESC NULLS LAST) = 1
        ), first AS (SELECT item_index, min(time_us) AS time_us FROM events GROUP BY item_index)
        SELECT known_items.item_index, known_items.item_id, coalesce(newest.available, true) AS available,
               least(epoch_us(newest.appeared_at), first.time_us) // 1000000 AS first_seen, newest.title,
               newest.category, newest.brand,
               {FEATURES}
        FROM known_items
        LEFT JOIN newest USING (item_id)
        LEFT JOIN first USING (item_index)
        LEFT JOIN item_features USING (item_id)
        ORDER BY known_items.item_index
    """).to_arrow_table()  # noqa: S608 - the names are the contract's
    return pa.table(
        {
            "item_index": found["item_index"].cast(pa.int32()),
            "item_id": found["item_id"].cast(pa.string()),
            "available": found["available"],
            "first_seen": found["first_seen"].cast(pa.int64()),
            "content": _lists(content.make_content(found)),
            "title": found["title"].cast(pa.string()),
            "category": found["category"].cast(pa.string()),
            "brand": found["brand"].cast(pa.string()),
        }
    )


def users(engine: duckdb.DuckDBPyConnection, segments: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield a row for each user of the vocabulary, by user_index; a segment is "<column>=<value>".

    Reads the views known_users and clean_users; `segments` are columns of the users' contract.
    """
    named = [f"CASE WHEN {name} IS NULL THEN [] ELSE ['{name}=' || {name}] END" for name in segments]
    query = f"""
        WITH newest AS (
            SELECT {", ".join(["user_id", *segments])} FROM clean_users
            QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY updated_at DESC NULLS LAST) = 1
        )
        SELECT user_index, user_id, {" || ".join(["[]::VARCHAR[]", *named])} AS segments
        FROM known_users LEFT JOIN newest USING (user_id)
        ORDER BY user_index
    """  # noqa: S608 - the names are the contract's
    yield from engine.sql(query).to_arrow_reader(ROWS_A_BATCH)


def _lists(vectors: NDArray[np.float32]) -> pa.ListArray:
    rows, width = vectors.shape
    return pa.ListArray.from_arrays(
        pa.array(np.arange(rows + 1) * width, pa.int32()), pa.array(vectors.ravel())
    )
