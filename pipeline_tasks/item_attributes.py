"""What rules go by: columns of training/items in; categories at a level, groups, new items and items that fit out."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_tasks.errors import Refused
from pipeline_tasks.evaluation.splits import DAY_SECONDS

# between the levels of a category's path
LEVELS = " > "


def attribute(items: pa.Table, name: str, level: int = 0) -> pa.ChunkedArray:
    """Return the items' category or brand, null where there is none; of a category the first `level` levels, if any.

    Raises Refused for tables that were written before rules went by it.
    """
    if name not in items.column_names:
        raise Refused(
            f"the night's training/items has no {name}, which a rule asks for",
            "run dataset for this night again",
        )
    values = items[name]
    if level and name == "category":
        values = pc.binary_join(pc.list_slice(pc.split_pattern(values, LEVELS), 0, level), LEVELS)
    return pc.if_else(pc.equal(values, ""), None, values)


def groups(values: pa.ChunkedArray) -> NDArray[np.int32]:
    """Return (items + 1,): the number of each item's value, 0 where it has none, by item index."""
    codes = values.combine_chunks().dictionary_encode().indices
    return np.concatenate([[0], pc.fill_null(pc.add(codes, 1), 0).to_numpy()]).astype(np.int32)


def is_new(items: pa.Table, end: int, days: int) -> NDArray[np.bool_]:
    """Say of each item whether it was first seen in the `days` before `end` (Unix seconds), and not after it."""
    seen = items["first_seen"]
    recent = pc.and_(pc.greater_equal(seen, end - days * DAY_SECONDS), pc.less(seen, end))
    new: NDArray[np.bool_] = pc.fill_null(recent, False).to_numpy()
    return new


def fits(
    items: pa.Table, *, item: str | None = None, category: str | None = None, brand: str | None = None
) -> NDArray[np.bool_]:
    """Say of each item whether it is all that is named; a category has those below it."""
    found = np.ones(items.num_rows, bool)
    if item is not None:
        found &= pc.equal(items["item_id"], item).to_numpy()
    if brand is not None:
        found &= pc.fill_null(pc.equal(attribute(items, "brand"), brand), False).to_numpy()
    if category is not None:
        path = attribute(items, "category")
        below = pc.or_(pc.equal(path, category), pc.starts_with(path, category + LEVELS))
        found &= pc.fill_null(below, False).to_numpy()
    return found
