"""Measures of lists beside the live ones, against a second way of counting; limits, and what they hold back."""

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from pipeline_tasks.publishing import health
from pipeline_tasks.publishing.comparison import compare
from pipeline_tasks.publishing.health import SENTENCES, judged
from pipeline_tasks.settings.publishing import CheckSettings, HealthLimits

ITEMS = [f"i{n}" for n in range(10)]
LIMITS = HealthLimits().model_dump()


@pytest.fixture
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def define(
    engine: duckdb.DuckDBPyConnection, view: str, lists: dict[str, list[str]], shift: float = 0.0
) -> None:
    rows = [
        {"user_id": user, "rank": rank, "item_id": item, "score": np.float32(shift + 1 / rank)}
        for user, items in lists.items()
        for rank, item in enumerate(items, 1)
    ]
    schema = pa.schema(
        {"user_id": pa.string(), "rank": pa.int32(), "item_id": pa.string(), "score": pa.float32()}
    )
    engine.register(view, pa.Table.from_pylist(rows, schema))


def define_items(engine: duckdb.DuckDBPyConnection, gone: tuple[str, ...] = ()) -> None:
    rows = [
        {"item_id": item, "available": item not in gone, "first_seen": 86_400 * number}
        for number, item in enumerate(ITEMS)
    ]
    engine.register("items", pa.Table.from_pylist(rows))


def measured(
    engine: duckdb.DuckDBPyConnection, n: int, view: str, live: str | None, *, same: bool
) -> dict[str, float]:
    difference = compare(engine, live, view) if live else None
    return health.measure(engine, n, view, live, difference, same=same)


def gini(lists: dict[str, list[str]], items: int) -> float:
    """Half the mean difference of any two items' places, relative to the mean (Gini 1912)."""
    shown = [sum(item in own for own in lists.values()) for item in ITEMS[:items]]
    differences = [abs(a - b) for a in shown for b in shown]
    return float(np.mean(differences) / (2 * np.mean(shown)))


def test_every_measure_is_that_of_counting_by_hand(engine: duckdb.DuckDBPyConnection) -> None:
    live = {"a": ["i0", "i1"], "b": ["i2", "i3"], "c": ["i4", "i5"], "d": ["i0", "i9"]}
    now = {"a": ["i1", "i0"], "b": ["i0", "i1"], "c": ["i0"], "e": ["i0", "i1"]}
    define(engine, "live", live)
    define(engine, "now", now)
    define_items(engine, gone=("i9",))
    found = measured(engine, 2, "now", "live", same=False)
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


@pytest.mark.parametrize("seed", range(5))
def test_concentration_is_ginis_coefficient(engine: duckdb.DuckDBPyConnection, seed: int) -> None:
    generator = np.random.default_rng(seed)
    drawn = {
        view: {f"u{n}": list(generator.choice(ITEMS, 3, replace=False)) for n in range(6)}
        for view in ("now", "live")
    }
    for view, lists in drawn.items():
        define(engine, view, lists)
    define_items(engine)
    found = measured(engine, 3, "now", "live", same=False)["concentration"]
    assert found == pytest.approx(gini(drawn["now"], 10) - gini(drawn["live"], 10), abs=1e-6)


def test_scores_that_lie_elsewhere_are_a_drift_and_the_same_are_none(
    engine: duckdb.DuckDBPyConnection,
) -> None:
    lists = {f"u{n}": ITEMS[: 2 + n % 8] for n in range(40)}
    define(engine, "live", lists)
    define(engine, "same", lists)
    define(engine, "moved", lists, shift=0.5)
    define_items(engine)
    assert measured(engine, 8, "same", "live", same=True)["score_drift"] == 0.0
    assert measured(engine, 8, "moved", "live", same=True)["score_drift"] > 0.25
    assert "score_drift" not in measured(engine, 8, "moved", "live", same=False)


def test_lists_of_one_score_are_flat(engine: duckdb.DuckDBPyConnection) -> None:
    define(engine, "now", {"a": ["i0"], "b": ["i1", "i2"]})
    engine.execute("CREATE TABLE flat AS SELECT * REPLACE (1.0::FLOAT AS score) FROM now")
    define_items(engine)
    assert measured(engine, 2, "now", None, same=False)["flat_lists"] == 0.0
    assert measured(engine, 2, "flat", None, same=False)["flat_lists"] == 0.5  # one place is no flat list


@pytest.mark.parametrize(("now", "live"), [({}, {"a": ["i0"]}), ({"a": ["i0"]}, {}), ({}, {})])
def test_without_lists_there_is_little_to_measure(
    engine: duckdb.DuckDBPyConnection, now: Any, live: Any
) -> None:
    define(engine, "now", now)
    define(engine, "live", live)
    define_items(engine)
    found = measured(engine, 2, "now", "live", same=True)
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
