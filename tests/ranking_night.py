"""A night whose next taken items only features tell: each day a few items rise, and users take those of their colour.

What a list made at midnight cannot learn from histories alone stands in that midnight's snapshot: the item's
popularity of the last day says that it rises.
"""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from pipeline_tasks.lake.store import Store
from pipeline_tasks.settings import night_end
from tests.training_night import DAY, EXAMPLES, NIGHT, put, write_training_tables
from tests.training_tables import write_snapshot

USERS, ITEMS, DAYS, RISING = 80, 60, 12, 4
NEGATIVES = 4


def write_ranking_night(
    store: Store, night: date = NIGHT, *, signal: bool = True, days: int = DAYS, every: int = 1
) -> None:
    """Write training tables, examples and snapshots of some days; without `signal` the features say nothing.

    A user takes something on one day of `every` so many, and other items rise after as many days.
    """
    generator = np.random.default_rng(3)
    write_training_tables(store, night, users=USERS, items=ITEMS, cold_users=0, cold_items=0)
    risen = [generator.permutation(np.arange(1, ITEMS + 1))[:RISING] for _ in range(0, days, every)]
    rising = [risen[number // every] for number in range(days)]
    start = int(night_end(night).timestamp()) - days * DAY
    events = _events(generator, rising, start, every)
    put(
        store,
        "training/sequences",
        night,
        _sequences(events),
        {"event_types": ["view"], "event_weights": [1.0]},
    )
    put(store, "training/examples", night, _examples(generator, events, rising, start, signal=signal), {})
    for number in range(days + 1):
        day = night - timedelta(days=days - number)
        up = rising[number] if number < days and signal else ()
        popularity = [100.0 if item in up else 1.0 for item in range(1, ITEMS + 1)]
        write_snapshot(
            store, "user_features", day, [{"user_id": f"u{n:03d}"} for n in range(1, USERS + 1)], night
        )
        items = [{"item_id": f"i{n:02d}", "popularity_1d": popularity[n - 1]} for n in range(1, ITEMS + 1)]
        write_snapshot(store, "item_features", day, items, night)
        hours = [{"hour_of_week": hour, "weekday": hour // 24, "hour": hour % 24} for hour in range(168)]
        write_snapshot(store, "context_features", day, hours, night)


def _events(
    generator: np.random.Generator, rising: list[np.ndarray], start: int, every: int
) -> list[tuple[int, int, int]]:
    """Return (user, item, time): three things of the user's colour before, then rising ones, if they are new."""
    events = []
    for user in range(1, USERS + 1):
        own = generator.permutation(np.arange(2 - user % 2, ITEMS + 1, 2))
        had = list(own[:3])
        events += [(user, int(item), start - DAY + n) for n, item in enumerate(had)]
        for number, up in enumerate(rising):
            new = [int(item) for item in up if item % 2 == user % 2 and item not in had]
            if new and (user // 2 + number) % every == 0:
                had.append(new[0])
                events.append((user, new[0], start + number * DAY + 3_600 * int(generator.integers(1, 23))))
    return events


def _sequences(events: list[tuple[int, int, int]]) -> pa.Table:
    rows = []
    for user in sorted({user for user, _, _ in events}):
        own = sorted((time, item) for who, item, time in events if who == user)
        rows.append(
            {
                "user_index": user,
                "items": [item for _, item in own],
                "types": [1] * len(own),
                "times": [time for time, _ in own],
            }
        )
    kinds = {
        "user_index": pa.int32(),
        "items": pa.list_(pa.int32()),
        "types": pa.list_(pa.int8()),
        "times": pa.list_(pa.int64()),
    }
    return pa.Table.from_pylist(rows, pa.schema(kinds))


def _examples(
    generator: np.random.Generator,
    events: list[tuple[int, int, int]],
    rising: list[np.ndarray],
    start: int,
    *,
    signal: bool,
) -> pa.Table:
    """Return each event since `start` with NEGATIVES others, joined to what its day's snapshot says."""
    rows = []
    newest = sorted((each for each in events if each[2] >= start), key=lambda each: each[2])
    for group, (user, item, time) in enumerate(newest):
        up = rising[(time - start) // DAY] if signal else ()
        had = {own for who, own, _ in events if who == user}
        others = generator.permutation([i for i in range(1, ITEMS + 1) if i not in had])[:NEGATIVES]
        for label, shown in [(1, item), *((0, int(other)) for other in others)]:
            features = {
                field.name: [1.0, 0.0, 0.0, 0.0] if pa.types.is_list(field.type) else "x"
                if pa.types.is_string(field.type) else 1.0
                for field in EXAMPLES if "__" in field.name
            }  # fmt: skip
            features["item_features__popularity_1d"] = 100.0 if shown in up else 1.0
            rows.append(
                {
                    **features,
                    "example_group": group,
                    "user_index": user,
                    "item_index": shown,
                    "label": label,
                    "time": time,
                    "warm": True,
                    "log_expected": float(np.log(NEGATIVES / ITEMS)),
                }
            )
    return pa.Table.from_pylist(rows, EXAMPLES)
