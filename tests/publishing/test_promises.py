"""What lists are promised holds after rows have gone, whatever the batches: pins, new items, blocks, order of scores."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline_tasks.publishing import refill
from pipeline_tasks.publishing.promises import Placed, Promised, pair_keys
from pipeline_tasks.publishing.refill import LISTS, Refilled, refill_file
from pipeline_tasks.ranking.selection import Cap, least_new
from tests.lists import POPULAR, TOP_N, ranked_rows, top_n_rows

LISTED = {
    "ann": ["i1", "i2", "p3", "i4", "n5", "n6"],
    "bob": ["p1", "i2", "i3", "i4", "i5", "i6"],
    "cat": ["i1", "i2"],
    "dan": ["i1", "i2", "i3", "i4", "i5", "n6"],
    "eve": ["i1"],
}
NEW = pa.array(["n5", "n6"])


def finished(
    tmp_path: Path, gone: list[str], promised: Promised, places: int = 3
) -> tuple[dict[str, list[str]], Refilled]:
    """Return the final lists of LISTED, where what begins with p is pinned."""
    rows = top_n_rows(LISTED, 1)
    for row in rows:
        row["source"] = "pinned" if row["item_id"].startswith("p") else "model"
    source, target = tmp_path / "staged.parquet", tmp_path / "final.parquet"
    pq.write_table(pa.Table.from_pylist(rows, TOP_N), source)
    counts = refill_file(source, target, LISTS["top_n"], pa.array(gone, pa.string()), places, promised)
    assert pq.read_schema(target) == TOP_N
    found: dict[str, list[str]] = {}
    last = {}
    for row in pq.read_table(target).to_pylist():
        found.setdefault(row["user_id"], []).append(row["item_id"])
        assert row["rank"] == len(found[row["user_id"]])
        assert row["score"] <= last.get(row["user_id"], 1.0)
        last[row["user_id"]] = row["score"]
    return found, counts


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 7, 1000])
def test_a_pin_keeps_its_place_when_what_stood_above_it_has_gone(
    tmp_path: Path, batch_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refill, "BATCH_ROWS", batch_rows)
    found, counts = finished(tmp_path, ["i1", "i3"], Promised())
    assert found == {
        "ann": ["i2", "i4", "p3"],
        "bob": ["p1", "i2", "i4"],
        "cat": ["i2"],
        "dan": ["i2", "i4", "i5"],
    }
    assert counts == Refilled(rows_in=21, rows=10, lists=4, unavailable=6)


def test_a_pin_that_has_gone_leaves_its_place_to_the_next(tmp_path: Path) -> None:
    found, _ = finished(tmp_path, ["p3"], Promised())
    assert found["ann"] == ["i1", "i2", "i4"]


@pytest.mark.parametrize("batch_rows", [1, 5, 1000])
def test_new_items_come_up_from_the_spares_as_far_as_there_are_such(
    tmp_path: Path, batch_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refill, "BATCH_ROWS", batch_rows)
    found, _ = finished(tmp_path, ["n5"], Promised(new=NEW, needed=least_new(0.6, 3, 3)))
    assert found["ann"] == ["i1", "n6", "p3"]
    assert found["dan"] == ["i1", "n6", "i2"]
    assert found["bob"] == ["p1", "i2", "i3"]


def test_what_is_blocked_since_goes_and_is_counted_apart(tmp_path: Path) -> None:
    pairs = pair_keys(pa.array(["ann", "bob"]), pa.array(["i2", "i9"]))
    promised = Promised(items=pa.array(["i3"]), owners=pa.array(["dan"]), pairs=pairs)
    found, counts = finished(tmp_path, ["i1"], promised)
    assert found == {"ann": ["i4", "n5", "p3"], "bob": ["p1", "i2", "i4"], "cat": ["i2"]}
    assert (counts.unavailable, counts.blocked) == (4, 1 + 1 + 5)


def test_of_the_blocked_pairs_only_those_of_a_batchs_owners_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owners = ["a", "ann", "ann\x01", "bob", "bo", "é"]
    pairs = sorted((owner, f"i{n}") for owner in owners for n in range(3))
    promised = Promised(pairs=pair_keys(*(pa.array(column) for column in zip(*pairs, strict=True))))
    rows = {"user_id": ["ann", "ann", "bo"], "item_id": ["i1", "i9", "i2"]}
    hashed, is_in = [], pc.is_in
    monkeypatch.setattr(
        pc, "is_in", lambda *a, value_set: hashed.append(len(value_set)) or is_in(*a, value_set=value_set)
    )
    found = promised.allowed(pa.RecordBatch.from_pydict(rows), "user_id", "item_id")
    assert found.to_pylist() == [{"user_id": "ann", "item_id": "i9"}]
    assert max(hashed) == 9  # of ann, ann\x01, bo


def test_pins_of_other_tables_are_told_by_list_item_and_rank(tmp_path: Path) -> None:
    source, target = tmp_path / "staged.parquet", tmp_path / "final.parquet"
    lists = {"all": ["i1", "i2", "i3", "i4"], "country=DE": ["i1", "i2", "i3", "i4"]}
    pq.write_table(pa.Table.from_pylist(ranked_rows("list_name", "item_id", lists), POPULAR), source)
    pins = [Placed("all", "i3", 3), Placed("", "i2", 9)]
    refill_file(source, target, LISTS["popular"], pa.array(["i1"]), 3, Promised(pins=pins))
    found: dict[str, list[str]] = {}
    for row in pq.read_table(target).to_pylist():
        found.setdefault(row["list_name"], []).append(row["item_id"])
    assert found == {"all": ["i2", "i4", "i3"], "country=DE": ["i2", "i3", "i4"]}


@pytest.mark.parametrize("gone", [[], ["a2"], ["a1", "a2", "b1"], ["b1", "b2", "b3"]])
def test_what_takes_the_place_of_a_sold_out_row_keeps_the_caps(tmp_path: Path, gone: list[str]) -> None:
    """Two of a kind (its letter) at most; x has none."""
    known = ["a1", "a2", "a3", "a4", "b1", "b2", "b3", "x"]
    cap = Cap("kind", np.array([0, 1, 1, 1, 1, 2, 2, 2, 0], np.int32), 2)
    source, target = tmp_path / "staged.parquet", tmp_path / "final.parquet"
    lists = {"all": ["a1", "a2", "b1", "b2", "a3", "a4", "b3"], "none": ["x", "y"]}
    pq.write_table(pa.Table.from_pylist(ranked_rows("list_name", "item_id", lists), POPULAR), source)
    promised = Promised(known=pa.array(known), caps=[cap])
    refill_file(source, target, LISTS["popular"], pa.array(gone, pa.string()), 4, promised)
    found = pq.read_table(target).to_pandas()
    expected = {
        "": ["a1", "a2", "b1", "b2"],
        "a2": ["a1", "b1", "b2", "a3"],
        "a1 a2 b1": ["b2", "a3", "a4", "b3"],
        "b1 b2 b3": ["a1", "a2"],
    }
    assert found[found["list_name"] == "all"]["item_id"].tolist() == expected[" ".join(gone)]
    assert found[found["list_name"] == "none"]["item_id"].tolist() == ["x", "y"]
