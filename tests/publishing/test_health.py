"""Measures of lists beside the live ones, against a second way of counting; limits, and what they hold back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_tasks.publishing import health
from pipeline_tasks.publishing.comparison import compare
from pipeline_tasks.publishing.health import SENTENCES, judged
from pipeline_tasks.publishing.list_arrays import Codes, ListArrays
from pipeline_tasks.publishing.listed import define_facts, read_files
from pipeline_tasks.publishing.refill import LISTS
from pipeline_tasks.settings.publishing import CheckSettings, HealthLimits
from tests.lists import TOP_N

ITEMS = [f"i{n}" for n in range(10)]
END = 86_400 * 1_000  # after all of them
LIMITS = HealthLimits().model_dump()


class World:
    """Lists as the check has them: views of their rows, and the tables and arrays that `listed` makes of them."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.codes = Codes(pa.array(ITEMS))
        self.parts: dict[str, list[ListArrays]] = {}

    def define(
        self, view: str, lists: dict[str, list[str]], score: Callable[[int], float] = lambda rank: 1 / rank
    ) -> None:
        rows = [
            {"user_id": user, "rank": rank, "item_id": item, "score": score(rank)}
            for user, items in lists.items()
            for rank, item in enumerate(items, 1)
        ]
        path = self.folder / f"{view}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, pa.schema([TOP_N.field(n) for n in range(4)])), path)
        self.engine.read_parquet(str(path)).create_view(view)
        self.parts[view] = read_files([path], LISTS["top_n"], self.codes)
        define_facts(self.engine, view, LISTS["top_n"], self.parts[view], self.codes)

    def define_items(self, gone: tuple[str, ...] = (), announced: tuple[str, ...] = ()) -> None:
        rows = [
            {
                "item_id": item,
                "available": item not in gone,
                "first_seen": 86_400 * (number + 3_000_000 * (item in announced)),
            }
            for number, item in enumerate(ITEMS)
        ]
        self.engine.register("items", pa.Table.from_pylist(rows))

    def measured(self, n: int, view: str, live: str | None, *, same: bool) -> dict[str, float]:
        difference = compare(self.parts[live], self.parts[view], self.codes) if live else None
        return health.measure(self.engine, n, view, live, difference, end=END, same=same)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with duckdb.connect() as connection:
        yield World(connection, tmp_path)


def gini(lists: dict[str, list[str]], items: int) -> float:
    """Half the mean difference of any two items' places, relative to the mean (Gini 1912)."""
    shown = [sum(item in own for own in lists.values()) for item in ITEMS[:items]]
    differences = [abs(a - b) for a in shown for b in shown]
    return float(np.mean(differences) / (2 * np.mean(shown)))


def test_every_measure_is_that_of_counting_by_hand(world: World) -> None:
    live = {"a": ["i0", "i1"], "b": ["i2", "i3"], "c": ["i4", "i5"], "d": ["i0", "i9"]}
    now = {"a": ["i1", "i0"], "b": ["i0", "i1"], "c": ["i0"], "e": ["i0", "i1"]}
    world.define("live", live)
    world.define("now", now)
    world.define_items(gone=("i9",))
    found = world.measured(2, "now", "live", same=False)
    assert found == {
        "unavailable": 0.1,
        "flat_lists": 0.0,
        "newest_item_days": 7.0,  # i8 can be had, i1 is shown
        "users_lost": 0.25,
        "lists_replaced": pytest.approx(2 / 3, abs=1e-6),  # b and c, of a, b and c
        "short_lists": 0.25,
        "items_lost": pytest.approx(1 - 2 / 7, abs=1e-6),
        "concentration": pytest.approx(gini(now, 9) - gini({**live, "d": ["i0"]}, 9), abs=0.2),
    }


@pytest.mark.parametrize("announced", [("i8",), ("i1", "i8")])
def test_an_item_that_is_announced_for_later_is_not_the_newest(
    world: World, announced: tuple[str, ...]
) -> None:
    world.define("now", {"a": ["i1", "i0"]})
    world.define_items(gone=("i9",), announced=announced)
    newest = 0 if "i1" in announced else 1
    assert world.measured(2, "now", None, same=False)["newest_item_days"] == 7.0 - newest


@pytest.mark.parametrize("seed", range(5))
def test_concentration_is_ginis_coefficient(world: World, seed: int) -> None:
    generator = np.random.default_rng(seed)
    drawn = {
        view: {f"u{n}": list(generator.choice(ITEMS, 3, replace=False)) for n in range(6)}
        for view in ("now", "live")
    }
    for view, lists in drawn.items():
        world.define(view, lists)
    world.define_items()
    found = world.measured(3, "now", "live", same=False)["concentration"]
    assert found == pytest.approx(gini(drawn["now"], 10) - gini(drawn["live"], 10), abs=1e-6)


def test_scores_that_lie_elsewhere_are_a_drift_and_the_same_are_none(
    world: World,
) -> None:
    lists = {f"u{n}": ITEMS[: 2 + n % 8] for n in range(40)}
    world.define("live", lists)
    world.define("same", lists)
    world.define("moved", lists, lambda rank: 0.5 + 1 / rank)
    world.define_items()
    assert world.measured(8, "same", "live", same=True)["score_drift"] == 0.0
    assert world.measured(8, "moved", "live", same=True)["score_drift"] > 0.25
    assert "score_drift" not in world.measured(8, "moved", "live", same=False)


@pytest.mark.parametrize("seed", range(3))
def test_shares_by_tenths_are_those_that_sql_counts(world: World, seed: int) -> None:
    """Whole numbers tie with the tenths; nulls have a share of their own."""
    generator = np.random.default_rng(seed)
    for view, high in (("now", 14), ("live", 10)):
        values = [None if value == 3 else float(value) for value in generator.integers(0, high, 500 + seed)]
        world.engine.register(view, pa.table({"value": pa.array(values, pa.float32())}))
    bins = """
        WITH edges AS (SELECT quantile_cont(value, [.1, .2, .3, .4, .5, .6, .7, .8, .9]) AS edges FROM live)
        SELECT CASE WHEN value IS NULL THEN 10 ELSE len(list_filter(edges, lambda edge: value > edge)) END AS bin, count(*) FROM {} CROSS JOIN edges
        GROUP BY bin"""
    counted = [dict(world.engine.sql(bins.format(view)).fetchall()) for view in ("now", "live")]
    found = health.shares(world.engine, "now", "live", "value")
    for shares, counts in zip(found, counted, strict=True):
        assert shares == pytest.approx([counts.get(tenth, 0) / (500 + seed) for tenth in range(11)])


def test_lists_of_one_score_are_flat(world: World) -> None:
    lists = {"a": ["i0"], "b": ["i1", "i2"]}
    world.define("now", lists)
    world.define("flat", lists, lambda rank: 1.0)
    world.define_items()
    assert world.measured(2, "now", None, same=False)["flat_lists"] == 0.0
    assert world.measured(2, "flat", None, same=False)["flat_lists"] == 0.5  # one place is no flat list


@pytest.mark.parametrize(("now", "live"), [({}, {"a": ["i0"]}), ({"a": ["i0"]}, {}), ({}, {})])
def test_without_lists_there_is_little_to_measure(world: World, now: Any, live: Any) -> None:
    world.define("now", now)
    world.define("live", live)
    world.define_items()
    found = world.measured(2, "now", "live", same=True)
    assert found.get("users_lost", 0.0) == (1.0 if live and not now else 0.0)
    assert judged(found, LIMITS, CheckSettings().stops, "v")


def test_what_is_above_its_limit_does_not_hold_and_says_so() -> None:
    (finding,) = judged({"users_lost": 0.0501}, LIMITS, ["users_lost"], "2026-01-09-abc")
    assert (finding.holds, finding.severity) == (False, "stop")
    assert finding.sentence.startswith(
        "5.0% of the users who have a list in 2026-01-09-abc have none now (check.limits."
    )
    (finding,) = judged({"users_lost": 0.05}, LIMITS, [], "v")
    assert (finding.holds, finding.severity) == (True, "warn")


def test_every_limit_has_a_sentence() -> None:
    assert SENTENCES.keys() == HealthLimits.model_fields.keys()
