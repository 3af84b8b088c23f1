"""Two versions compared: every user and item counted once, as a loop over both would."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline_tasks.publishing.comparison import compare
from pipeline_tasks.publishing.difference import Difference
from pipeline_tasks.publishing.list_arrays import Codes
from pipeline_tasks.publishing.listed import read_files
from pipeline_tasks.publishing.refill import LISTS
from tests.lists import top_n_files, top_n_rows

Lists = dict[str, list[str]]


def compared(folder: Path, a: Lists, b: Lists, files: tuple[int, int] = (2, 2)) -> Difference:
    codes = Codes(pa.array(["i2", "i0"]))
    before, now = (
        read_files(top_n_files(folder / name, top_n_rows(lists, files), files), LISTS["top_n"], codes)
        for name, lists, files in (("a", a, files[0]), ("b", b, files[1]))
    )
    return compare(before, now, codes)


def test_each_kind_of_change_is_counted(tmp_path: Path) -> None:
    a = {
        "same": ["i1", "i2"],
        "order": ["i1", "i2"],
        "part": ["i1", "i2"],
        "whole": ["i1", "i2"],
        "gone": ["i1"],
    }
    b = {
        "same": ["i1", "i2"],
        "order": ["i2", "i1"],
        "part": ["i1", "i3"],
        "whole": ["i3", "i4"],
        "new": ["i1"],
    }
    found = compared(tmp_path, a, b)
    assert (found.same, found.reordered, found.changed, found.replaced) == (1, 1, 1, 1)
    assert (found.new, found.gone) == (1, 1)
    assert found.kept == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert (found.new_items, found.gone_items) == (2, 0)
    assert found.gained == [("i3", 2), ("i4", 1)]
    assert found.lost == [("i2", -2), ("i1", -1)]
    text = "\n".join(found.lines())
    assert "4 in both, 1 new, 1 gone" in text
    assert "1 the same, 1 in another order, 1 changed in part, 1 wholly; 62.5% of a list stayed" in text


@pytest.mark.parametrize("files", [(2, 2), (1, 3)])
def test_random_lists_are_counted_as_a_loop_counts_them(tmp_path: Path, files: tuple[int, int]) -> None:
    generator = np.random.default_rng(1)
    items = [f"i{n}" for n in range(6)]
    a, b = (
        {
            f"u{n}": [str(item) for item in generator.permutation(items)[: generator.integers(1, 4)]]
            for n in range(300)
            if generator.random() < 0.9
        }
        for _ in "ab"
    )
    found = compared(tmp_path, a, b, files)
    both = a.keys() & b.keys()
    assert (found.new, found.gone) == (len(b.keys() - a.keys()), len(a.keys() - b.keys()))
    assert found.replaced == sum(not set(a[user]) & set(b[user]) for user in both)
    assert found.same == sum(a[user] == b[user] for user in both) > 0
    reordered = sum(a[user] != b[user] and sorted(a[user]) == sorted(b[user]) for user in both)
    assert found.reordered == reordered > 0
    stayed = [len({*a[user]} & {*b[user]}) / max(len(a[user]), len(b[user])) for user in both]
    assert found.kept == pytest.approx(np.mean(stayed))
    places = [Counter(item for items in lists.values() for item in items) for lists in (a, b)]
    more = {item: places[1][item] - places[0][item] for item in items}
    assert dict(found.gained) == {item: count for item, count in more.items() if count > 0}
    assert dict(found.lost) == {item: count for item, count in more.items() if count < 0}
    assert found.same + found.reordered + found.changed + found.replaced == len(both)


def test_without_lists_there_is_nothing_to_tell(tmp_path: Path) -> None:
    found = compared(tmp_path, {}, {})
    assert (found.same, found.kept, found.gained) == (0, 0.0, [])
