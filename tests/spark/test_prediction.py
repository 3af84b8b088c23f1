"""Missing values predicted by a model."""

from typing import Any

from pyspark.sql import SparkSession

from pipeline_tasks.spark.prediction import LEAST_ROWS, predict
from tests.spark.frames import items, rows

PRICES = {"Tea": 5.0, "Kettles": 40.0, "Sofas": 900.0}


def shelf(copies: int, **fields: Any) -> list[dict[str, Any]]:
    return [
        {
            "item_id": f"{category}{n}",
            "category": category,
            "price": price,
            "brand": f"{category} & Co",
            **fields,
        }
        for category, price in PRICES.items()
        for n in range(copies)
    ]


def test_a_price_is_predicted_from_category_and_brand(spark: SparkSession) -> None:
    unknown = [
        {"item_id": "x", "category": "Sofas", "brand": "Sofas & Co", "price": None},
        {"item_id": "y", "category": "Tea", "brand": "Tea & Co", "price": None},
    ]
    filled = predict(items(spark, *shelf(10), *unknown), "price", ["category", "brand"], 7)
    found = dict(rows(filled.where("item_id in ('x', 'y')"), "item_id", "price"))
    assert 500 < found["x"] <= 900
    assert 5 <= found["y"] < 7
    assert rows(filled.where("item_id = 'Tea3'"), "price") == [(5.0,)]


def test_a_string_is_classified(spark: SparkSession) -> None:
    unknown = {"item_id": "x", "category": "Sofas", "brand": None}
    frame = items(spark, *shelf(10), unknown)
    filled = predict(frame, "brand", ["category", "price"], 7)
    assert filled.columns == frame.columns
    assert rows(filled.where("item_id = 'x'"), "brand") == [("Sofas & Co",)]


def test_a_prediction_does_not_depend_on_the_order_of_rows(spark: SparkSession) -> None:
    known = [{**row, "price": row["price"] * (1 + n / 17)} for n, row in enumerate(shelf(9))]
    table = [*known, {"item_id": "x", "category": "Tea", "price": None}]
    first = predict(items(spark, *table), "price", ["category", "brand"], 7)
    second = predict(items(spark, *table[::-1]).repartition(3), "price", ["category", "brand"], 7)
    assert rows(first, "item_id", "price") == rows(second, "item_id", "price")


def test_with_too_few_rows_the_median_and_the_mode_are_taken(spark: SparkSession) -> None:
    few = shelf(LEAST_ROWS // len(PRICES) - 1)
    frame = items(spark, *few, {"item_id": "x", "price": None, "brand": None})
    assert rows(predict(frame, "price", ["category"], 7).where("item_id = 'x'"), "price") == [(40.0,)]
    assert rows(predict(frame, "brand", ["category"], 7).where("item_id = 'x'"), "brand") == [
        ("Kettles & Co",)
    ]


def test_without_any_value_nothing_is_predicted(spark: SparkSession) -> None:
    frame = items(spark, {"price": None})
    assert rows(predict(frame, "price", ["category"], 7), "price") == [(None,)]
