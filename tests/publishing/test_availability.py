"""What can be had now follows from the newest versions before a moment."""

from pathlib import Path

import pyarrow as pa

from pipeline_tasks.publishing.availability import available_items, snapshot
from tests.builders import moment

CUT = moment("2026-01-11 00:00")


def available(
    versions: list[tuple[str | None, str | None, bool | str | None]], folder: Path
) -> dict[str, bool]:
    """Return what can be had by item; a version's `available` that is a text is one that cannot be read."""
    schema = pa.schema(
        [
            ("item_id", "string"),
            ("updated_at", pa.timestamp("us", "UTC")),
            ("available", "bool"),
            ("reasons", pa.list_(pa.string())),
        ]
    )
    rows = [
        {
            "item_id": name,
            "updated_at": at and moment(at),
            "available": None if isinstance(said, str) else said,
            "reasons": ["available_not_boolean"] if isinstance(said, str) else [],
        }
        for name, at, said in versions
    ]
    items = available_items(pa.Table.from_pylist(rows, schema), CUT, folder, "1g")
    return dict(zip(items["item_id"].to_pylist(), items["available"].to_pylist(), strict=True))


def test_the_newest_version_before_the_cut_decides(tmp_path: Path) -> None:
    versions: list[tuple[str | None, str | None, bool | str | None]] = [
        ("sold", "2026-01-01 00:00", True), ("sold", "2026-01-10 23:59", False),
        ("back", "2026-01-01 00:00", False), ("back", "2026-01-10 00:00", True),
        ("later", "2026-01-01 00:00", True), ("later", "2026-01-11 00:00", False),
        ("both", "2026-01-10 00:00", True), ("both", "2026-01-10 00:00", False),
        ("always", None, False), ("overruled", None, False), ("overruled", "2020-01-01 00:00", True),
        ("silent", "2026-01-01 00:00", None), ("unborn", "2026-01-12 00:00", True), (None, None, True),
    ]  # fmt: skip
    assert available(versions, tmp_path) == {
        "sold": False, "back": True, "later": True, "both": False, "always": False, "overruled": True,
        "silent": True,
    }  # fmt: skip


def test_what_the_newest_version_says_and_nobody_can_read_counts_as_sold_out(tmp_path: Path) -> None:
    versions: list[tuple[str | None, str | None, bool | str | None]] = [
        ("unread", "2026-01-01 00:00", True), ("unread", "2026-01-10 00:00", "out of stock"),
        ("mended", "2026-01-01 00:00", "-1"), ("mended", "2026-01-10 00:00", True),
        ("either", "2026-01-10 00:00", "?"), ("either", "2026-01-10 00:00", True),
        ("always", None, "soon"), ("silent", None, None),
    ]  # fmt: skip
    found = {"unread": False, "mended": True, "either": False, "always": False, "silent": True}
    assert available(versions, tmp_path) == found


def test_a_snapshot_tells_sets_apart_and_not_orders_of_reading() -> None:
    assert snapshot(["a", "b"], 5) == snapshot(["a", "b"], 5)
    assert snapshot(["a", "b"], 5)["sha256"] != snapshot(["a\nb"], 5)["sha256"]
    assert snapshot([], 5)["unavailable"] == 0
