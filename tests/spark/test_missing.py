"""Strategies for missing values, one by one."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipeline_tasks.contracts import ITEMS
from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import Strategy
from pipeline_tasks.spark import cleaning, missing
from tests.builders import START
from tests.spark.frames import items, rows, users


def prices(spark: SparkSession, *found: float | None) -> DataFrame:
    return items(spark, *[{"item_id": f"i{n}", "price": price} for n, price in enumerate(found)])


def test_rows_without_a_value_are_counted(spark: SparkSession) -> None:
    frame = items(spark, {"price": None, "brand": None}, {"price": 1.0, "brand": None})
    assert missing.count_missing(frame, ["price", "brand", "title"]) == {"price": 1, "brand": 2, "title": 0}
    assert missing.count_missing(frame, []) == {}


def test_drop_marks_the_rows_and_keeps_the_first_reason(spark: SparkSession) -> None:
    frame = items(
        spark,
        {"item_id": "a", "title": None, "price": None},
        {"item_id": "b", "price": None},
        {"item_id": "c"},
    )
    marked = missing.mark_dropped(missing.mark_dropped(frame, "title"), "price")
    assert rows(marked, "item_id", "reason") == [("a", "missing_title"), ("b", "missing_price"), ("c", None)]


def test_a_constant_takes_the_type_of_the_column(spark: SparkSession) -> None:
    frame = users(spark, {"age": None}, {"age": 5})
    filled = missing.fill_constant(frame, "age", 41.6)
    assert filled.schema["age"] == frame.schema["age"]
    assert rows(filled, "age") == [(42,), (5,)]
    assert rows(missing.fill_constant(items(spark, {"brand": None}), "brand", "none"), "brand") == [("none",)]


@pytest.mark.parametrize(("kind", "value"), [("mean", 4.0), ("median", 2.0), ("mode", 1.0)])
def test_statistics_are_those_of_the_values_that_are_there(
    spark: SparkSession, kind: str, value: float
) -> None:
    frame = prices(spark, 1.0, 1.0, None, 3.0, 11.0)
    fitted = missing.fit_fills(frame, {"price": kind})
    assert fitted == {"price": value}
    filled = missing.fill_constant(frame, "price", fitted["price"])
    assert rows(filled.where("item_id = 'i2'"), "price") == [(value,)]


def test_of_several_modes_the_least_is_taken(spark: SparkSession) -> None:
    frame = items(spark, {"brand": "b"}, {"brand": "a"}, {"brand": "b"}, {"brand": "a"}, {"brand": None})
    assert missing.fit_fills(frame, {"brand": "mode"}) == {"brand": "a"}


def test_without_any_value_a_statistic_fills_nothing(spark: SparkSession) -> None:
    frame = prices(spark, None)
    for kind in missing.STATISTICS:
        assert missing.fit_fills(frame, {"price": kind}) == {"price": None}
    assert rows(missing.fill_constant(frame, "price", None), "price") == [(None,)]


def history(spark: SparkSession, *found: tuple[datetime | None, float | None], item: str = "i1") -> DataFrame:
    return items(spark, *[{"item_id": item, "updated_at": at, "price": price} for at, price in found])


def interpolated(frame: DataFrame) -> list[Any]:
    filled = missing.interpolate(frame, "price", ["item_id"], "updated_at")
    assert filled.columns == frame.columns
    return [row.price for row in filled.orderBy("item_id", "updated_at").collect()]


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def test_prices_are_interpolated_by_time(spark: SparkSession) -> None:
    frame = history(spark, (day(0), 10.0), (day(1), None), (day(3), None), (day(4), 30.0))
    assert interpolated(frame) == [10.0, 15.0, 25.0, 30.0]


def test_edges_are_carried(spark: SparkSession) -> None:
    frame = history(spark, (None, None), (day(0), None), (day(1), 10.0), (day(2), None))
    assert interpolated(frame) == [10.0, 10.0, 10.0, 10.0]


def test_items_do_not_lend_each_other_prices(spark: SparkSession) -> None:
    first = history(spark, (day(0), 10.0), (day(2), 20.0))
    other = history(spark, (day(1), None), item="i2")
    assert interpolated(first.union(other)) == [10.0, 20.0, None]


def test_a_version_of_an_item_is_given_the_last_value_before_it_and_no_later_one(spark: SparkSession) -> None:
    frame = history(spark, (day(0), None), (day(1), 10.0), (day(2), None), (day(3), 20.0))
    plan = {"price": (Strategy(strategy="interpolate"),)}
    filled = cleaning.handle_missing(frame, ITEMS, plan, {"fills": {}, "scales": {}}, 0)
    assert [row.price for row in filled.orderBy("updated_at").collect()] == [None, 10.0, 10.0, 20.0]


def test_a_constant_moment_is_read_as_a_sources_moments_are(spark: SparkSession) -> None:
    frame = history(spark, (day(0), None))
    for text in ("2026-01-31", "20260131", "2026-01-31T01:00:00+01:00"):
        plan = {"appeared_at": (Strategy(strategy="constant", value=text),)}
        cleaning.check_plan(ITEMS, plan, {}, "sources.tiny")
        filled = cleaning.handle_missing(frame, ITEMS, plan, {"fills": {}, "scales": {}}, 0)
        assert rows(filled.selectExpr("date(appeared_at) AS day"), "day") == [(date(2026, 1, 31),)]


def test_a_constant_that_is_no_moment_is_refused() -> None:
    plan = {"appeared_at": (Strategy(strategy="constant", value="soon"),)}
    with pytest.raises(Refused, match=r"missing\.items\.appeared_at: the constant 'soon' is no timestamp"):
        cleaning.check_plan(ITEMS, plan, {}, "sources.tiny")


def test_an_indicator_says_where_a_value_was_missing(spark: SparkSession) -> None:
    marked = missing.add_indicator(prices(spark, 1.0, None), "price")
    assert rows(marked, "item_id", "price_missing") == [("i0", False), ("i1", True)]
