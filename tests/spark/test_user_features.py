"""What a user did, likes and pays, by hand."""

import math
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from pipeline_tasks.spark.user_features import make_user_features
from tests.builders import START
from tests.spark.feature_frames import STAMPS, WIDTH, at_each_stamp, events, items_at
from tests.spark.frames import users

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
CATALOGUE = [
    {"item_id": "i1", "category": "home", "tags": [], "price": 10.0},
    {"item_id": "i2", "category": "garden", "tags": [], "price": 40.0},
    {"item_id": "i3", "category": None, "tags": None, "price": None},
]


def made(spark: SparkSession, *rows: dict[str, Any], people: Any = ({},)) -> list[dict[str, Any]]:
    _, at = items_at(spark, CATALOGUE)
    features = make_user_features(events(spark, *rows), users(spark, *people), at, STAMPS, WIDTH)
    return at_each_stamp(features, "user_id")


def test_activity_recency_and_totals(spark: SparkSession) -> None:
    before, after = made(
        spark,
        {"event_time": STAMPS[0] - 8 * DAY},
        {"event_time": STAMPS[0] - 2 * DAY},
        {"event_time": STAMPS[0] - 6 * SECOND},
        {"event_time": STAMPS[0] + 12 * timedelta(hours=1)},
    )
    counts = ["events_1d", "events_7d", "events_30d", "events_total"]
    assert [before["u1"][name] for name in counts] == [1, 2, 3, 3]
    assert [after["u1"][name] for name in counts] == [1, 3, 4, 4]
    assert before["u1"]["days_since_last_event"] == pytest.approx(6 / 86_400)
    assert after["u1"]["days_since_last_event"] == pytest.approx(0.5)


def test_the_price_level_is_the_mean_logarithm_of_the_items_touched(spark: SparkSession) -> None:
    time = STAMPS[0] - DAY
    rows = [{"item_id": name, "event_time": time} for name in ("i1", "i1", "i2", "i3")]
    before, _ = made(spark, *rows)
    assert before["u1"]["price_level"] == pytest.approx((math.log1p(10) + math.log1p(40)) / 2, abs=1e-6)


def test_an_affinity_is_tf_idf_of_categories_by_the_weight_of_events(spark: SparkSession) -> None:
    time = STAMPS[0] - DAY
    rows = [
        {"user_id": "one", "item_id": "i1", "event_time": time, "weight": 3.0},
        {"user_id": "both", "item_id": "i1", "event_time": time, "weight": 3.0},
        {"user_id": "both", "item_id": "i2", "event_time": time, "weight": 4.0},
        {"user_id": "none", "item_id": "i3", "event_time": time},
    ]
    before, _ = made(spark, *rows, people=())
    one, both = np.array(before["one"]["affinity"]), np.array(before["both"]["affinity"])
    assert np.count_nonzero(one) == 1
    # both categories are as rare, so that only the weights 3 and 4 are left
    assert both @ one == pytest.approx(0.6)
    assert np.linalg.norm(both) == pytest.approx(1.0)
    assert before["none"]["affinity"] == [0.0] * WIDTH


def test_users_are_those_that_are_known_by_then_with_what_was_said_of_them_by_then(
    spark: SparkSession,
) -> None:
    people = [
        {"user_id": "old", "updated_at": START, "joined_at": START, "age": 30, "membership": "basic"},
        {"user_id": "old", "updated_at": STAMPS[0], "joined_at": START, "age": 31, "membership": "gold"},
        {"user_id": "new", "joined_at": STAMPS[0] + SECOND},
    ]
    unlisted = {"user_id": "unlisted", "event_time": STAMPS[0] + SECOND}
    before, after = made(spark, unlisted, people=people)
    assert set(before) == {"old"}
    assert set(after) == {"old", "new", "unlisted"}
    assert (before["old"]["age"], before["old"]["membership"]) == (30, "basic")
    assert (after["old"]["age"], after["old"]["membership"]) == (31, "gold")
    silent = after["new"]
    assert (silent["events_total"], silent["days_since_last_event"], silent["price_level"]) == (0, None, None)
