"""The hours of the week: how busy they were, by another way of counting."""

import math
from collections import Counter
from datetime import timedelta

import numpy as np
import pytest
from pyspark.sql import SparkSession

from pipeline_tasks.spark.context_features import make_context_features
from tests.spark.feature_frames import STAMPS, events

HOUR = timedelta(hours=1)


def test_activity_is_an_hours_events_of_four_weeks_over_the_mean_hours(spark: SparkSession) -> None:
    back = np.random.default_rng(0).integers(1, 27 * 24, 60)
    times = [STAMPS[0] - int(hours) * HOUR for hours in back]
    old, later = STAMPS[0] - timedelta(days=28, seconds=1), STAMPS[0]
    table, _ = make_context_features(
        events(spark, *[{"event_time": t} for t in (*times, old, later)]), STAMPS
    )
    counted = Counter(24 * time.weekday() + time.hour for time in times)
    rows = table.to_pylist()
    assert [row["hour_of_week"] for row in rows] == list(range(168))
    assert [row["activity"] for row in rows] == pytest.approx([counted[h] * 168 / 60 for h in range(168)])
    assert [(row["weekday"], row["hour"]) for row in rows] == [(h // 24, h % 24) for h in range(168)]
    assert {row["event_timestamp"] for row in rows} == {STAMPS[0]}


def test_a_season_is_a_point_on_the_circle_of_the_year(spark: SparkSession) -> None:
    first, _ = make_context_features(events(spark, {"event_time": STAMPS[0] - HOUR}), STAMPS)
    row = first.to_pylist()[0]
    assert math.hypot(row["season_sin"], row["season_cos"]) == pytest.approx(1.0)
    assert math.atan2(row["season_sin"], row["season_cos"]) == pytest.approx(2 * math.pi * 10 / 365.25)


def test_without_events_every_hour_is_as_busy_as_another(spark: SparkSession) -> None:
    table, _ = make_context_features(events(spark, {"event_time": STAMPS[1] + HOUR}), STAMPS)
    assert set(table.column("activity").to_pylist()) == {1.0}
