"""How an item does and where its price stands, by hand."""

import math
from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from pipeline_tasks.spark.item_features import Embedding, make_item_features
from tests.builders import START
from tests.spark.feature_frames import STAMPS, WIDTH, at_each_stamp, events, items_at

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def made(spark: SparkSession, versions: list[dict[str, Any]], *rows: dict[str, Any]) -> list[dict[str, Any]]:
    found, at = items_at(spark, versions)
    numbers = spark.createDataFrame(
        [("Copper kettle", [1.0, 2.0])], "title string, text_embedding array<float>"
    )
    embeddings = [
        Embedding("text_embedding", "title", 2, numbers),
        Embedding("image_embedding", "image", 3, None),
        Embedding("embedding", "embedding", 0, None),
    ]
    features = make_item_features(events(spark, *rows), found, at, embeddings, STAMPS, WIDTH)
    return at_each_stamp(features, "item_id")


def test_popularity_counts_events_of_everybody_in_its_windows(spark: SparkSession) -> None:
    times = [STAMPS[0] - 9 * DAY, STAMPS[0] - 3 * DAY, STAMPS[0] - SECOND, STAMPS[0]]
    before, after = made(spark, [{}], *[{"user_id": f"u{n}", "event_time": t} for n, t in enumerate(times)])
    names = [f"popularity_{days}d" for days in (1, 7, 30)]
    assert [before["i1"][name] for name in names] == [1, 2, 3]
    assert [after["i1"][name] for name in names] == [1, 3, 4]


def test_the_trend_is_the_rate_of_a_week_over_that_of_a_month(spark: SparkSession) -> None:
    rising = [{"item_id": "up", "event_time": STAMPS[0] - SECOND} for _ in range(7)]
    falling = [{"item_id": "down", "event_time": STAMPS[0] - 9 * DAY} for _ in range(30)]
    before, _ = made(spark, [{"item_id": name} for name in ("up", "down", "still")], *rising, *falling)
    assert before["up"]["trend"] == pytest.approx(math.log((7 / 7 + 1 / 30) / (7 / 30 + 1 / 30)))
    assert before["down"]["trend"] == pytest.approx(math.log((1 / 30) / (1 + 1 / 30)))
    assert before["still"]["trend"] == 0


def test_an_item_is_as_old_as_its_appearance_or_else_its_first_event(spark: SparkSession) -> None:
    versions = [{"item_id": "dated", "appeared_at": START}, {"item_id": "undated"}, {"item_id": "silent"}]
    event = {"item_id": "undated", "event_time": STAMPS[0] - 2 * DAY}
    before, after = made(spark, versions, event, {"item_id": "unlisted", "event_time": STAMPS[0] + SECOND})
    assert before["dated"]["age_days"] == 10
    assert before["undated"]["age_days"] == 2
    assert before["silent"]["age_days"] is None
    assert "unlisted" not in before
    assert after["unlisted"]["popularity_1d"] == 1


def test_a_price_stands_beside_those_of_its_category_as_they_were_then(spark: SparkSession) -> None:
    versions = [
        {"item_id": "cheap", "category": "home", "price": 1.0},
        {"item_id": "dear", "category": "home", "price": 3.0},
        {"item_id": "dear", "category": "home", "price": 99.0, "updated_at": STAMPS[0] + SECOND},
        {"item_id": "alone", "category": "garden", "price": 5.0},
        {"item_id": "nowhere", "category": None, "price": 5.0},
    ]
    before, after = made(spark, versions, {"item_id": "cheap"})
    middle = (math.log1p(1) + math.log1p(3)) / 2
    assert before["dear"]["price"] == 3.0
    assert before["dear"]["price_in_category"] == pytest.approx(math.log1p(3) - middle, abs=1e-5)
    assert before["cheap"]["price_in_category"] == pytest.approx(math.log1p(1) - middle, abs=1e-5)
    assert after["dear"]["price"] == 99.0
    assert after["cheap"]["price_in_category"] < before["cheap"]["price_in_category"]
    assert before["alone"]["price_in_category"] == 0
    assert before["nowhere"]["price_in_category"] is None


def test_embeddings_are_joined_by_their_key_and_zeros_where_there_is_none(spark: SparkSession) -> None:
    before, _ = made(spark, [{"item_id": "known"}, {"item_id": "other", "title": "Pan", "tags": None,
                                                   "category": None}], {"item_id": "known"})  # fmt: skip
    assert before["known"]["text_embedding"] == [1.0, 2.0]
    assert before["other"]["text_embedding"] == [0.0, 0.0]
    assert before["known"]["image_embedding"] == [0.0] * 3
    assert before["known"]["embedding"] is None
    assert any(before["known"]["topics"])
    assert before["other"]["topics"] == [0.0] * WIDTH
