"""Scaling of numeric columns."""

import math
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipeline_tasks.spark.scaling import fit_scaling, scale


def ages(spark: SparkSession, *values: int | None) -> DataFrame:
    return spark.createDataFrame([(value,) for value in values], "age long")


def scaled(frame: DataFrame, fitted: dict[str, Any]) -> list[float | None]:
    return [row.age_scaled for row in scale(frame, fitted).collect()]


def test_standard_has_mean_0_and_deviation_1(spark: SparkSession) -> None:
    frame = ages(spark, 10, 20, 30, None)
    fitted = fit_scaling(frame, {"age": "standard"})
    assert fitted["age"] == {"kind": "standard", "center": 20.0, "spread": pytest.approx(math.sqrt(200 / 3))}
    assert scaled(frame, fitted) == [pytest.approx(-math.sqrt(1.5)), 0.0, pytest.approx(math.sqrt(1.5)), None]


def test_min_max_goes_from_0_to_1_and_beyond_for_what_was_not_seen(spark: SparkSession) -> None:
    fitted = fit_scaling(ages(spark, 10, 30), {"age": "min_max"})
    assert scaled(ages(spark, 10, 20, 30, 50), fitted) == [0.0, 0.5, 1.0, 2.0]


def test_log_needs_no_fitting(spark: SparkSession) -> None:
    fitted = fit_scaling(ages(spark, 1, 2), {"age": "log"})
    assert scaled(ages(spark, 0, 9), fitted) == [0.0, pytest.approx(math.log(10))]


@pytest.mark.parametrize("kind", ["standard", "min_max"])
def test_a_constant_column_is_scaled_to_0(spark: SparkSession, kind: str) -> None:
    fitted = fit_scaling(ages(spark, 7, 7), {"age": kind})
    assert scaled(ages(spark, 7, 8), fitted) == [0.0, 0.0]


def test_a_column_without_values_is_left_out(spark: SparkSession) -> None:
    assert fit_scaling(ages(spark, None), {"age": "standard"}) == {}
    assert fit_scaling(ages(spark), {"age": "min_max"}) == {}
    assert fit_scaling(ages(spark, 1), {}) == {}
