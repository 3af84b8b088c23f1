"""Missing values that a model predicts from other columns: a frame with nulls in, filled out."""

from collections.abc import Sequence
from typing import Any

from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import FeatureHasher, StringIndexer
from pyspark.ml.regression import LinearRegression
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from pipeline_tasks.spark.missing import fill_constant, fit_fills

HASHED = 512
LEAST_ROWS = 20
MOST_ROWS = 100_000


def predict(frame: DataFrame, column: str, by: Sequence[str], seed: int) -> DataFrame:
    """Return the frame with the column predicted, where it has no value, from the columns `by`.

    Numbers by linear regression, within the values seen (on a log scale if none is negative); strings by
    logistic regression. Fitted on the rows that have a value: of more than 100,000 those that a hash with
    `seed` picks; with fewer than 20 the median or the mode is filled in.
    """
    known = _sample(frame.where(F.col(column).isNotNull()), column, by, seed)
    rows = known.count()
    if rows < LEAST_ROWS:
        kind = "mode" if _is_text(frame, column) else "median"
        return fill_constant(frame, column, fit_fills(frame, {column: kind})[column])
    fit = _classify if _is_text(frame, column) else _regress
    hasher = FeatureHasher(inputCols=list(by), outputCol="_features", numFeatures=HASHED)
    predicted, value = fit(hasher.transform(known), hasher.transform(frame), column)
    known.unpersist()
    filled = F.coalesce(F.col(column), value.cast(frame.schema[column].dataType))
    return predicted.withColumn(column, filled).select(*frame.columns)


def _sample(known: DataFrame, column: str, by: Sequence[str], seed: int) -> DataFrame:
    """Return the rows to learn from, in one partition and a fixed order: the sums of a fit depend on it."""
    order = F.xxhash64(F.lit(seed), column, *by)
    return known.select(column, *by).orderBy(order, column, *by).limit(MOST_ROWS).coalesce(1).cache()


def _is_text(frame: DataFrame, column: str) -> bool:
    return isinstance(frame.schema[column].dataType, StringType)


def _regress(known: DataFrame, frame: DataFrame, column: str) -> tuple[DataFrame, Column]:
    number = F.col(column).cast("double")
    least, most = known.agg(F.min(number), F.max(number)).collect()[0]
    target = F.log1p(number) if least >= 0 else number
    model = LinearRegression(
        labelCol="_target",
        featuresCol="_features",
        predictionCol="_predicted",
        solver="normal",
        regParam=0.01,
    ).fit(known.withColumn("_target", target))
    value = F.expm1("_predicted") if least >= 0 else F.col("_predicted")
    within = F.least(F.greatest(value, F.lit(least)), F.lit(most))
    whole = frame.schema[column].dataType.typeName() in ("integer", "long")
    return model.transform(frame), F.round(within) if whole else within


def _classify(known: DataFrame, frame: DataFrame, column: str) -> tuple[DataFrame, Column]:
    indexer = StringIndexer(inputCol=column, outputCol="_target", stringOrderType="frequencyDesc").fit(known)
    model: Any = LogisticRegression(
        labelCol="_target", featuresCol="_features", predictionCol="_predicted",
        rawPredictionCol="_raw", probabilityCol="_probability", maxIter=30, regParam=0.01,
    ).fit(indexer.transform(known))  # fmt: skip
    labels = F.array(*[F.lit(label) for label in indexer.labels])
    return model.transform(frame), F.element_at(labels, F.col("_predicted").cast("int") + 1)
