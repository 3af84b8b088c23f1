"""Lists lose what is unavailable, spares move up, ranks close, and nothing depends on the batches."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_tasks.publishing import refill
from pipeline_tasks.publishing.refill import LISTS, Refilled, refill_file
from tests.lists import SIMILAR, TOP_N, ranked_rows, top_n_rows

STAGED = {
    "ann": ["i1", "i2", "i3", "i4", "i5"],
    "bob": ["i2", "i4"],
    "cat": ["i5", "i4", "i3", "i2", "i1"],
    "dan": ["i4"],
    "eve": ["i3", "i1", "i5"],
}


def refilled(
    tmp_path: Path, gone: list[str], places: int
) -> tuple[dict[str, list[tuple[int, str]]], Refilled]:
    source, target = tmp_path / "staged.parquet", tmp_path / "final.parquet"
    pq.write_table(pa.Table.from_pylist(top_n_rows(STAGED, 1), TOP_N), source, row_group_size=4)
    counts = refill_file(source, target, LISTS["top_n"], pa.array(gone, pa.string()), places)
    found: dict[str, list[tuple[int, str]]] = {}
    for row in pq.read_table(target).to_pylist():
        found.setdefault(row["user_id"], []).append((row["rank"], row["item_id"]))
    assert pq.read_schema(target) == TOP_N
    return found, counts


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 7, 1000])
def test_unavailable_items_go_and_spares_move_up(
    tmp_path: Path, batch_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refill, "BATCH_ROWS", batch_rows)
    found, counts = refilled(tmp_path, ["i2", "i4"], places=2)
    assert found == {
        "ann": [(1, "i1"), (2, "i3")],
        "cat": [(1, "i5"), (2, "i3")],
        "eve": [(1, "i3"), (2, "i1")],
    }
    assert counts == Refilled(rows_in=16, rows=6, lists=3, unavailable=7)


def test_with_everything_available_lists_are_only_cut(tmp_path: Path) -> None:
    found, counts = refilled(tmp_path, [], places=3)
    assert found == {user: list(enumerate(items[:3], start=1)) for user, items in STAGED.items()}
    assert counts == Refilled(rows_in=16, rows=12, lists=5, unavailable=0)


def test_with_nothing_available_no_list_is_left(tmp_path: Path) -> None:
    found, counts = refilled(tmp_path, ["i1", "i2", "i3", "i4", "i5"], places=3)
    assert found == {}
    assert counts == Refilled(rows_in=16, rows=0, lists=0, unavailable=16)


def test_similar_items_lose_unavailable_neighbours_only(tmp_path: Path) -> None:
    source, target = tmp_path / "staged.parquet", tmp_path / "final.parquet"
    rows = ranked_rows("item_id", "similar_item_id", {"i1": ["i2", "i3"], "i2": ["i1", "i3"]})
    pq.write_table(pa.Table.from_pylist(rows, SIMILAR), source)
    refill_file(source, target, LISTS["similar_items"], pa.array(["i2"]), places=9)
    kept = [(r["item_id"], r["rank"], r["similar_item_id"]) for r in pq.read_table(target).to_pylist()]
    assert kept == [("i1", 1, "i3"), ("i2", 1, "i1"), ("i2", 2, "i3")]


def test_an_empty_file_gives_an_empty_file_of_the_same_columns(tmp_path: Path) -> None:
    source, target = tmp_path / "staged.parquet", tmp_path / "final.parquet"
    pq.write_table(TOP_N.empty_table(), source)
    assert refill_file(source, target, LISTS["top_n"], pa.array(["i1"]), 5) == Refilled()
    assert pq.read_table(target).schema == TOP_N


@pytest.mark.parametrize("batch_rows", [1, 7, 100, 1000])
def test_row_groups_hold_whole_lists_and_the_batches_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    monkeypatch.setattr(refill, "BATCH_ROWS", batch_rows)
    monkeypatch.setattr(refill, "GROUP_ROWS", 100)
    lists = {f"u{n:03d}": ["i1", "i2", "i3"] for n in range(100)}
    lists["u050"] = [f"i{n}" for n in range(250)]
    source, target = tmp_path / "staged.parquet", tmp_path / "final.parquet"
    pq.write_table(pa.Table.from_pylist(top_n_rows(lists, 1), TOP_N), source)
    refill_file(source, target, LISTS["top_n"], pa.array([], pa.string()), 250)
    footer = pq.read_metadata(target)
    groups = [footer.row_group(n) for n in range(footer.num_row_groups)]
    assert [group.num_rows for group in groups] == [99, 51, 250, 99, 48]
    assert [group.column(0).statistics.min for group in groups] == ["u000", "u033", "u050", "u051", "u084"]
    assert pq.read_table(target, page_checksum_verification=True).num_rows == 547


def test_scores_are_written_without_a_dictionary_and_ids_with_one(tmp_path: Path) -> None:
    source, target = tmp_path / "staged.parquet", tmp_path / "final.parquet"
    pq.write_table(pa.Table.from_pylist(top_n_rows(STAGED, 1), TOP_N), source)
    refill_file(source, target, LISTS["top_n"], pa.array([], pa.string()), 2)
    group = pq.read_metadata(target).row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    assert [each.path_in_schema for each in columns if not each.has_dictionary_page] == ["score"]
