"""Histories, windows and batches: nothing lost, nothing from the future, little padding."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline_tasks.models.data import (
    Catalogue,
    Histories,
    length_batches,
    newest_windows,
    pad,
    training_windows,
)
from tests.models.worlds import DAY, HOUR, catalogue, histories

ROWS = [[1, 2, 3, 4, 5, 6, 7], [], [8], [9, 8]]


def lists(found: Histories) -> list[list[int]]:
    return [found.rows(np.array([row])).items.tolist() for row in range(len(found))]


def table(**columns: list[object]) -> pa.Table:
    types = {
        "user_index": pa.int32(),
        "items": pa.list_(pa.int32()),
        "types": pa.list_(pa.int8()),
        "times": pa.list_(pa.int64()),
    }
    return pa.table({name: pa.array(columns[name], kind) for name, kind in types.items()})


def test_histories_come_from_a_table_in_pieces() -> None:
    one = table(user_index=[3, 5], items=[[1, 2], [3]], types=[[1, 2], [1]], times=[[10, 20], [30]])
    two = table(user_index=[9], items=[[4]], types=[[3]], times=[[40]])
    found = Histories.from_table(pa.concat_tables([one, two]))
    assert found.users.tolist() == [3, 5, 9]
    assert lists(found) == [[1, 2], [3], [4]]
    assert found.types.tolist() == [1, 2, 1, 3]
    assert found.times.tolist() == [10, 20, 30, 40]


def test_an_empty_table_is_no_history() -> None:
    empty = Histories.from_table(table(user_index=[], items=[], types=[], times=[]))
    assert (len(empty), empty.items.tolist()) == (0, [])
    assert len(empty.before(10)) == 0
    assert list(length_batches(training_windows(empty, 5).lengths, 10)) == []


def test_before_and_since_share_out_the_events() -> None:
    known = histories(ROWS)
    cut = 100 * DAY - 2 * HOUR
    before, since = known.before(cut), known.since(cut)
    assert (before.users.tolist(), lists(before)) == ([1], [[1, 2, 3, 4, 5]])
    assert (since.users.tolist(), lists(since)) == ([1, 3, 4], [[6, 7], [8], [9, 8]])


def test_rows_and_last_keep_order() -> None:
    known = histories(ROWS)
    assert lists(known.rows(np.array([3, 0]))) == [[9, 8], [1, 2, 3, 4, 5, 6, 7]]
    assert lists(known.last(2)) == [[6, 7], [], [8], [9, 8]]


def test_everyone_has_a_row_with_events_or_without() -> None:
    some = histories(ROWS).where(np.array([True] * 7 + [False, True, True]))
    everyone = some.of_everyone(6)
    assert some.users.tolist() == [1, 4]
    assert everyone.users.tolist() == [1, 2, 3, 4, 5, 6]
    assert lists(everyone) == [ROWS[0], [], [], ROWS[3], [], []]


def test_novel_is_the_first_event_of_a_user_with_an_item() -> None:
    assert histories([[1, 2, 1, 1, 3], [1, 1]]).novel().tolist() == [
        *(True, True, False, False, True),
        *(True, False),
    ]


def test_mixed_events_stay_in_their_users_and_days() -> None:
    known = histories([list(range(1, 61)), list(range(61, 91))])  # an hour apart: days of 24 events
    mixed = known.mixed(np.random.default_rng(1).random(90))
    day = known.times // 86_400
    assert (mixed.items != known.items).any()
    assert (mixed.times == known.times).all()
    for each in np.unique(np.stack([known.row_of_event, day]), axis=1).T:
        own = (known.row_of_event == each[0]) & (day == each[1])
        assert set(mixed.items[own]) == set(known.items[own])


def test_gaps_are_logarithms_of_seconds_and_begin_anew_with_each_user() -> None:
    known = histories([[1, 2], [3]])
    known = Histories(known.users, known.offsets, known.items, known.types, np.array([0, 3, 10_000]))
    assert known.gap_buckets().tolist() == [0, 3, 0]
    same = Histories(known.users, known.offsets, known.items, known.types, np.array([5, 5, 5]))
    assert same.gap_buckets().tolist() == [0, 1, 0]


@pytest.mark.parametrize("length", [1, 2, 3, 6, 50])
def test_every_event_but_a_users_first_is_a_target_once(length: int) -> None:
    known = histories(ROWS)
    windows = training_windows(known, length)
    targets = [e for a, b in zip(windows.starts, windows.stops, strict=True) for e in range(a + 1, b)]
    assert sorted(targets) == [1, 2, 3, 4, 5, 6, 9]
    assert (windows.lengths <= length + 1).all()
    rows = known.row_of_event
    assert (rows[windows.starts] == rows[windows.stops - 1]).all()


def test_the_newest_windows_are_the_newest_events() -> None:
    known = histories(ROWS)
    padded = pad(known.items, newest_windows(known, 3), torch.device("cpu"))
    assert padded.tolist() == [[5, 6, 7], [0, 0, 0], [8, 0, 0], [9, 8, 0]]


def test_batches_hold_every_window_once_and_are_of_like_length() -> None:
    lengths = np.random.default_rng(1).integers(1, 51, 400)
    batches = list(length_batches(lengths, 200, np.random.default_rng(2)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(400))
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.15 * lengths.sum()
    assert all(
        len(batch) == 1 or len(batch) * lengths[batch].max() <= 200 + 3 * len(batch) for batch in batches
    )


def test_batches_come_in_another_order_with_another_seed_and_the_same_with_the_same() -> None:
    lengths = np.full(40, 5)
    one, same, other = (
        [batch.tolist() for batch in length_batches(lengths, 20, np.random.default_rng(seed))]
        for seed in (1, 1, 2)
    )
    assert one == same != other


def test_content_that_an_encoder_was_fitted_anew_for_is_carried_back() -> None:
    generator = np.random.default_rng(4)
    before = catalogue(generator.normal(size=(60, 5)))
    turn = np.linalg.qr(generator.normal(size=(5, 5)))[0].astype(np.float32)
    now = Catalogue(before.content @ turn)
    aligned = now.aligned(before.content[:51])
    np.testing.assert_allclose(aligned, before.content, atol=1e-5)


def test_content_of_the_same_space_is_taken_as_it_is_now() -> None:
    before = catalogue(np.random.default_rng(4).normal(size=(60, 5)))
    now = before.content.copy()
    now[3] = 0  # the text of one item is gone
    np.testing.assert_array_equal(Catalogue(now).aligned(before.content[:51]), now)


def test_content_that_was_never_known_is_zero_in_the_old_space() -> None:
    now = catalogue(np.random.default_rng(4).normal(size=(3, 5)))
    assert not now.aligned(np.zeros((3, 2), np.float32)).any()
