"""Bots among users."""

from datetime import timedelta
from typing import Any

from pyspark.sql import SparkSession

from pipeline_tasks.spark.bots import count_by_hour, find_bots, usual_events_per_hour
from tests.builders import START
from tests.spark.frames import interactions, rows


def burst(user: str, events: int, hours: float = 0) -> list[dict[str, Any]]:
    begin = START + timedelta(hours=hours)
    return [{"user_id": user, "event_time": begin + timedelta(seconds=n)} for n in range(events)]


def test_events_are_counted_by_user_and_hour(spark: SparkSession) -> None:
    events = interactions(spark, *burst("u1", 3), *burst("u1", 2, hours=1), *burst("u2", 1))
    assert rows(count_by_hour(events), "user_id", "events") == [("u1", 2), ("u1", 3), ("u2", 1)]


def test_who_exceeds_floor_and_factor_in_one_hour_is_a_bot(spark: SparkSession) -> None:
    people = [row for n in range(30) for row in burst(f"u{n}", 2)]
    hourly = count_by_hour(interactions(spark, *people, *burst("bot", 11), *burst("busy", 10)))
    usual = usual_events_per_hour(hourly, 10)
    assert rows(find_bots(hourly, 10, 1.0, usual)) == [("bot", 11)]


def test_many_events_spread_over_hours_are_no_bot(spark: SparkSession) -> None:
    hourly = count_by_hour(interactions(spark, *burst("u1", 8), *burst("u1", 8, hours=1)))
    assert rows(find_bots(hourly, 10, 1.0, None)) == []


def test_users_stay_where_bursts_are_usual(spark: SparkSession) -> None:
    hourly = count_by_hour(interactions(spark, *[row for n in range(9) for row in burst(f"u{n}", 9 + n % 3)]))
    assert usual_events_per_hour(hourly, 11) == 11
    assert rows(find_bots(hourly, 10, 4.0, 11.0)) == []


def test_a_bot_does_not_raise_the_bar_of_a_small_night(spark: SparkSession) -> None:
    hourly = count_by_hour(interactions(spark, *burst("u1", 1), *burst("bot", 30)))
    usual = usual_events_per_hour(hourly, 10)
    assert usual == 1
    assert rows(find_bots(hourly, 10, 4.0, usual), "user_id") == [("bot",)]


def test_a_night_without_events_has_no_usual_and_no_bot(spark: SparkSession) -> None:
    hourly = count_by_hour(interactions(spark))
    assert usual_events_per_hour(hourly, 10) is None
    assert rows(find_bots(hourly, 10, 4.0, None)) == []
