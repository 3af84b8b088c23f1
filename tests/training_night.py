"""A night's training tables in a lake, as dataset leaves them: what train, evaluate and recommend start from."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa

from pipeline_tasks.contracts import FEATURE_VIEWS
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.settings import night_end

DAY = 86_400
NIGHT = date(2026, 1, 31)
ARROW = {
    "float": pa.float32(),
    "integer": pa.int64(),
    "string": pa.string(),
    "vector": pa.list_(pa.float32()),
}
EXAMPLES = pa.schema(
    {
        "example_group": pa.int64(),
        "user_index": pa.int32(),
        "item_index": pa.int32(),
        "label": pa.int8(),
        "time": pa.int64(),
        "warm": pa.bool_(),
        "log_expected": pa.float32(),
        **{
            f"{view.name}__{column.name}": ARROW[column.type]
            for view in FEATURE_VIEWS.values()
            for column in view.columns
            if column.name not in view.key
        },
    }
)


def write_training_tables(
    store: Store,
    night: date = NIGHT,
    *,
    users: int = 60,
    items: int = 24,
    cold_users: int = 3,
    cold_items: int = 2,
    unavailable: Sequence[int] = (),
    segments: Sequence[str] = ("country=DE", "country=FR"),
    holdout_days: int = 1,
    seed: int = 1,
    more: Sequence[Sequence[int]] = (),
    event_types: Sequence[str] = ("view",),
) -> None:
    """Write users who touch the items of their own colour (odd or even), some of it on the last day.

    The last `cold_users` have no events, the last `cold_items` no interactions but content. After them come
    those of `more`: items that they touched, an hour apart, until five days before the end. Of the `event_types`
    all are views. There are no ranking examples.
    """
    end = int(night_end(night).timestamp())
    generator = np.random.default_rng(seed)
    warm_items = items - cold_items
    rows, view = [], event_types.index("view") + 1
    for user in range(1, users - cold_users + 1):
        own = generator.permutation(np.arange(1 if user % 2 else 2, warm_items + 1, 2))[: warm_items // 2 - 2]
        times = np.sort(generator.integers(end - 10 * DAY, end, len(own)))
        rows.append((user, own.tolist(), [view] * len(own), times.tolist()))
    for user, touched in enumerate(more, users + 1):
        times = [end - 5 * DAY - 3_600 * back for back in reversed(range(len(touched)))]
        rows.append((user, list(touched), [view] * len(touched), times))
    users += len(more)
    fields = {
        "user_index": pa.int32(),
        "items": pa.list_(pa.int32()),
        "types": pa.list_(pa.int8()),
        "times": pa.list_(pa.int64()),
    }
    columns = list(zip(*rows, strict=True)) if rows else [[]] * 4
    sequences = pa.table(
        [pa.array(c, t) for c, t in zip(columns, fields.values(), strict=True)], list(fields)
    )
    facts = {"event_types": list(event_types), "event_weights": [1.0] * len(event_types)}
    put(store, "training/sequences", night, sequences, facts)
    colours = np.zeros((items, 4), np.float32)
    colours[np.arange(items), np.arange(1, items + 1) % 2] = 1
    catalogue = {
        "item_index": pa.array(range(1, items + 1), pa.int32()),
        "item_id": [f"i{n:02d}" for n in range(1, items + 1)],
        "available": [n not in unavailable for n in range(1, items + 1)],
        "first_seen": pa.array([None] * items, pa.int64()),
        "content": pa.array(colours.tolist(), pa.list_(pa.float32())),
        "title": [f"Item {n}" for n in range(1, items + 1)],
    }
    put(store, "training/items", night, pa.table(catalogue), {})
    people = {
        "user_index": pa.array(range(1, users + 1), pa.int32()),
        "user_id": [f"u{n:03d}" for n in range(1, users + 1)],
        "segments": pa.array([[segments[n % len(segments)]] if segments else [] for n in range(users)],
                             pa.list_(pa.string())),
    }  # fmt: skip
    put(store, "training/users", night, pa.table(people), {})
    cut = end - holdout_days * DAY
    warm = sum(min(times) < cut <= max(times) for _, _, _, times in rows)
    split = {
        "holdout_days": holdout_days,
        "cut": cut,
        "end": end,
        "warm_users": warm,
        "enough": warm >= 30,
    }
    put(store, "training/split", night, pa.table({name: [value] for name, value in split.items()}), split)
    put(store, "training/examples", night, EXAMPLES.empty_table(), {})


def put(store: Store, table: str, night: date, content: pa.Table, facts: dict[str, object]) -> None:
    tables.write_table(store, layout.night(table, night), content, facts=facts)
