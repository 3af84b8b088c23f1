"""Nights in a row on a local lake: published, unchanged, and the same bytes again after later nights."""

import json
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipeline_tasks import settings
from pipeline_tasks.lake import layout, records
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.retention.applying import apply
from pipeline_tasks.settings.retention import NIGHTS
from tests.end_to_end.conftest import END, SECOND


def log(store: LocalStore) -> list[dict[str, Any]]:
    return [json.loads(store.read(key)) for key in store.keys(layout.LOG)]


def test_both_nights_go_live(nights: Any) -> None:
    _, store, codes = nights
    assert all(code == 0 for night in codes.values() for code in night.values()), codes
    assert [entry["run_date"] for entry in log(store)] == [str(END), str(SECOND)]
    assert json.loads(store.read(layout.CURRENT))["version"] == log(store)[-1]["version"]


def test_every_row_is_accounted_for(nights: Any) -> None:
    _, store, codes = nights
    for night in codes:
        accounts = records.read(store, night, "preprocess").report.facts["accounts"]
        assert set(accounts) == {"interactions", "items", "users"}
        for table, account in accounts.items():
            gone = sum(account["cleaned_out"].values()) + sum(account["duplicates"].values())
            parts = account["clean"] + account["rejected"] + account["quarantined"] + gone
            assert account["in"] == parts > 0, (night, table, account)


def test_on_the_first_night_nearly_all_warm_examples_have_features(nights: Any) -> None:
    _, store, _ = nights
    examples = records.read(store, END, "dataset").report.facts["examples"]
    assert examples["warm_positives"] > 30  # of the days before the holdout that four snapshots cover
    assert examples["share_with_features"] >= 0.95


def test_every_known_user_has_a_full_list(nights: Any) -> None:
    from pipeline_tasks.lake import tables
    from pipeline_tasks.reader import open_current

    loaded, store, _ = nights
    top_n = open_current(loaded.lake_uri).to_pandas("top_n")
    known = tables.read_table(store, layout.night("training/users", SECOND), "dataset").to_pandas()
    assert set(top_n["user_id"]) == set(known["user_id"])
    assert (top_n.groupby("user_id").size() == loaded.recommend.n).mean() > 0.95


def test_the_same_night_again_adds_nothing(nights: Any, run_night: Callable[..., dict[str, int]]) -> None:
    loaded, store, _ = nights
    before = log(store)
    codes = run_night(loaded, SECOND)
    assert codes["publish"] == 99
    assert {code for stage, code in codes.items() if stage != "publish"} == {0}
    assert log(store) == before


def test_an_earlier_night_again_gives_the_same_bytes_and_does_not_go_back(
    nights: Any, run_night: Callable[..., dict[str, int]]
) -> None:
    loaded, store, _ = nights
    first, before = log(store)[0]["version"], log(store)
    codes = run_night(loaded, END, records.STAGES[: records.STAGES.index("publish") + 1])
    assert records.read(store, END, "check").report.facts["version"] == first
    assert codes["publish"] == 99
    assert log(store) == before
    assert not store.exists(layout.stale(SECOND))


def test_a_night_before_the_first_is_refused(nights: Any, run_night: Callable[..., dict[str, int]]) -> None:
    loaded, store, _ = nights
    assert run_night(loaded, END - timedelta(days=3), ("ingest",)) == {"ingest": 2}
    assert "first night" in records.read(store, END - timedelta(days=3), "ingest").reason


def test_an_empty_night_is_normal_and_the_same_where_retention_has_removed_what_it_may(
    nights: Any, run_night: Callable[..., dict[str, int]], tmp_path: Path, quick: dict[str, Any], shop: Path
) -> None:
    """Weeks after the last event: nothing new has arrived, the lists are made all the same."""
    loaded, store, _ = nights
    empty = date(2026, 7, 20)
    shutil.copytree(store.root, tmp_path / "lake")
    codes = run_night(loaded, empty)
    assert set(codes.values()) == {0}
    assert log(store)[-1]["run_date"] == str(empty)
    kept = settings.load(
        lake=(tmp_path / "lake").as_uri(),
        state=str(tmp_path / "state"),
        data=str(shop),
        retention={"nights": dict.fromkeys(NIGHTS, 1)},
        **quick,
    )
    copy = LocalStore(tmp_path / "lake")
    removed = apply(copy, kept)
    assert removed is not None
    assert removed.floor == SECOND
    assert {piece.layer for piece in removed.goes} == set(NIGHTS) - {"clean", "features", "versions"}
    assert run_night(kept, END, ("ingest",)) == {"ingest": 2}
    assert set(run_night(kept, empty).values()) == {0}
    assert log(copy)[-1]["version"] == log(store)[-1]["version"]
    for prefix in ("raw/", "clean/", "vocabulary/", "features/", "training/", "staged/", "models/"):
        same = [key for key in copy.keys(prefix) if str(empty) in key]
        assert same == [key for key in store.keys(prefix) if str(empty) in key]
        assert [copy.read(key) for key in same] == [store.read(key) for key in same], prefix
