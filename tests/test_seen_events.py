"""Which events leave an item out: the same by numbers and in SQL."""

import duckdb
import numpy as np
import pytest

from pipeline_tasks.seen_events import seen_condition, seen_since

TYPES = ["view", "cart", "purchase"]
END = 1_000_000_000


@pytest.mark.parametrize(
    ("seen", "left_out"),
    [
        ({}, []),
        ({"gone": 3}, []),
        ({"view": 2}, [0]),
        ({"purchase": 0}, [4, 5]),
        ({"cart": 1, "purchase": 9, "view": 0}, [0, 1, 2, 4]),
    ],
)
def test_events_of_the_named_types_count_for_their_days(seen: dict[str, int], left_out: list[int]) -> None:
    """Type, days before the end: at the boundary an event counts."""
    events = [(1, 2), (1, 2.01), (2, 1), (2, 1.01), (3, 8), (3, 99_999)]
    since = seen_since(seen, TYPES, END)
    kinds, times = np.array([(kind, END - days * 86_400) for kind, days in events]).T
    found = [
        place
        for place, (kind, time) in enumerate(zip(kinds, times, strict=True))
        if time >= since.get(int(kind), np.inf)
    ]
    assert found == left_out
    condition = seen_condition(since, "event.kind", "event.time")
    query = f"""
        SELECT place FROM (SELECT unnest(range(6)) AS place, {{
            'kind': unnest({[int(kind) for kind in kinds]}), 'time': unnest({[int(time) for time in times]})}} AS event)
        WHERE {condition}"""
    assert [place for (place,) in duckdb.sql(query).fetchall()] == left_out
