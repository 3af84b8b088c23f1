"""A whole night over next to nothing: one item, and users who have had it."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from pipeline_tasks.reader import open_current
from tests.sources_on_disk import declare, write_interactions, write_items

NIGHT = date(2026, 1, 10)


def test_a_night_of_one_item_and_users_with_one_event_each_goes_live_without_a_row(
    make_settings: Callable[..., Any], tmp_path: Path, run_night: Callable[..., dict[str, int]]
) -> None:
    events = [f"u{n},i1,view,2026-01-0{n}T12:00:00Z" for n in range(1, 10)]
    write_interactions(tmp_path / "data", *events)
    write_items(tmp_path / "data", [{"item": "i1", "title": "The thing"}])
    settings = make_settings(
        **declare(items={}), features={"snapshots": 2}, train={"epochs": 2, "dim": 8, "model": "transformer"}
    )
    codes = run_night(settings, NIGHT)
    assert set(codes.values()) == {0}, codes
    live = open_current(settings.lake_uri)
    assert live.run_date == NIGHT
    assert live.to_pandas("top_n").empty  # everybody has all there is
    assert live.to_pandas("popular")["item_id"].tolist() == ["i1"]
