"""The known items and users as models read them: vocabulary and newest versions in, Arrow tables out."""

from collections.abc import Iterator, Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_tasks.dataset.engine import ROWS_A_BATCH

USERS = pa.schema({"user_index": pa.int32(), "user_id": pa.string(), "segments": pa.list_(pa.string())})
# what an item is made of, and whether a block that no item sets is worth its width
CONTENT = {"text_embedding": True, "topics": True, "image_embedding": False}


def items(engine: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return a row for each item of the vocabulary, by item_index, as its newest version says.

    Reads the views known_items, clean_items, item_features and events. first_seen (seconds) is when the item
    appeared or had its first event, whichever is earlier; null when neither is known.
    """
    found = engine.sql("""
        WITH newest AS (
            SELECT item_id, available, appeared_at, title FROM clean_items
            QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY updated_at DESC NULLS LAST) = 1
        ), first AS (SELECT item_index, min(time_us) AS time_us FROM events GROUP BY item_index)
        SELECT known_items.item_index, known_items.item_id, coalesce(newest.available, true) AS available,
               least(epoch_us(newest.appeared_at), first.time_us) // 1000000 AS first_seen, newest.title,
               item_features.text_embedding, item_features.topics, item_features.image_embedding
        FROM known_items
        LEFT JOIN newest USING (item_id)
        LEFT JOIN first USING (item_index)
        LEFT JOIN item_features USING (item_id)
        ORDER BY known_items.item_index
    """).to_arrow_table()
    return pa.table(
        {
            "item_index": found["item_index"].cast(pa.int32()),
            "item_id": found["item_id"].cast(pa.string()),
            "available": found["available"],
            "first_seen": found["first_seen"].cast(pa.int64()),
            "content": _lists(content(found)),
            "title": found["title"].cast(pa.string()),
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


def content(blocks: pa.Table) -> NDArray[np.float32]:
    """Return the items' content (items, width): blocks of equal weight side by side, of length 1, or zeros."""
    arrays = [(_dense(blocks[name]), keep) for name, keep in CONTENT.items()]
    kept = [_unit(array) for array, keep in arrays if keep or array.any()]
    return _unit(np.concatenate(kept, axis=1))


def _dense(vectors: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return lists of one width as (rows, width), zeros where there is none."""
    present = vectors.is_valid().to_numpy()
    width = pc.max(pc.list_value_length(vectors)).as_py() or 0
    dense = np.zeros((len(vectors), width), np.float32)
    dense[present] = vectors.drop_null().combine_chunks().flatten().to_numpy().reshape(present.sum(), width)
    return dense


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return scaled


def _lists(vectors: NDArray[np.float32]) -> pa.ListArray:
    rows, width = vectors.shape
    return pa.ListArray.from_arrays(
        pa.array(np.arange(rows + 1) * width, pa.int32()), pa.array(vectors.ravel())
    )
