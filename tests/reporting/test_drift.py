"""Drift is told of columns that moved, by the population stability index, against the snapshots before the night."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline_tasks.lake.store import Store
from pipeline_tasks.reporting import drift
from pipeline_tasks.reporting.night import Absent
from tests.lists import NIGHT, make_version
from tests.reporting.report_night import BEFORE, opened, write_tables
from tests.test_reader import go_live
from tests.training_tables import write_snapshot

ITEMS = [f"i{n:03}" for n in range(400)]


def write(lake: Store, day: Any, prices: Any) -> None:
    """Write both views' snapshots of a day; every column is constant but the price."""
    rows = [{"item_id": item, "price": price} for item, price in zip(ITEMS, prices, strict=True)]
    write_snapshot(lake, "item_features", day, rows)
    write_snapshot(lake, "user_features", day, [{"user_id": "ann"}])


def psi(now: Any, before: Any) -> float:
    """The index as its definition says it, of values without nulls."""
    edges = np.quantile(before, np.arange(1, 10) / 10)
    shares = [np.bincount(np.searchsorted(edges, each), minlength=10) / len(each) for each in (now, before)]
    new, old = (np.maximum(each, 1e-4) for each in shares)
    return float(((new - old) * np.log(new / old)).sum())


def test_a_column_that_moved_comes_first_and_the_index_is_the_definitions(
    lake: Store, make_settings: Callable[..., Any]
) -> None:
    generator = np.random.default_rng(5)
    weeks, before = generator.lognormal(3, 1, 400), generator.lognormal(3, 1, 400)
    now = generator.lognormal(3.4, 1, 400)
    for day, prices in ((NIGHT - timedelta(days=7), weeks), (BEFORE, before)):
        write(lake, day, prices)
    write(lake, NIGHT, now)
    with opened(lake, make_settings()) as night:
        found = drift.of_features(night)
    assert (found.before, found.week) == (str(BEFORE), str(NIGHT - timedelta(days=7)))
    first = found.moved[0]
    assert (first.view, first.column) == ("item_features", "price")
    assert first.psi == pytest.approx(psi(now, before), abs=1e-6)
    assert first.psi_week == pytest.approx(psi(now, weeks), abs=1e-6)
    assert first.psi > drift.SOME
    assert {each.psi for each in found.moved[1:]} == {0.0}


def test_values_that_are_gone_are_a_drift(lake: Store, make_settings: Callable[..., Any]) -> None:
    write(lake, BEFORE, np.arange(400.0))
    write(lake, NIGHT, [float(n) if n % 2 else None for n in range(400)])
    with opened(lake, make_settings()) as night:
        assert drift.of_features(night).moved[0].psi > drift.MUCH


def test_without_an_earlier_snapshot_there_is_no_drift(
    lake: Store, make_settings: Callable[..., Any]
) -> None:
    write(lake, NIGHT, np.arange(400.0))
    write(lake, NIGHT + timedelta(days=1), np.arange(400.0))
    with opened(lake, make_settings()) as night, pytest.raises(Absent, match="no earlier snapshot"):
        drift.of_features(night)


def test_scores_are_compared_with_the_version_that_was_live_before(
    lake: Store, make_settings: Callable[..., Any], tmp_path: Path
) -> None:
    lists = {f"u{n}": ["i1", "i2", "i3"] for n in range(30)}
    live = go_live(lake, tmp_path / "live", lists, night=BEFORE)
    own = make_version(lake, tmp_path / "own", lists, night=NIGHT)
    write_tables(lake, sorted(lists), ["i1", "i2", "i3"])
    with opened(lake, make_settings()) as night:
        found = drift.of_scores(night, own.version)
        assert (found.version, found.psi) == (live, 0.0)
        assert sum(found.now) == pytest.approx(1, abs=1e-5)
        with pytest.raises(Absent, match="no comparison"):
            drift.of_scores(night, "2026-01-10-000000000000")
