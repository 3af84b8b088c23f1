"""What rules go by: which items are new."""

import pyarrow as pa

from pipeline_tasks.evaluation.splits import DAY_SECONDS
from pipeline_tasks.item_attributes import is_new

END = 1_768_089_600


def test_an_item_is_new_for_its_first_days_and_not_before_it_appears() -> None:
    days_before = {
        "old": 15,
        "first day": 14,
        "last moment": 1 / DAY_SECONDS,
        "at the end": 0,
        "to come": -50,
    }
    seen = [END - round(days * DAY_SECONDS) for days in days_before.values()]
    items = pa.table({"first_seen": pa.array([*seen, None], pa.int64())})
    assert is_new(items, END, 14).tolist() == [False, True, True, False, False, False]
