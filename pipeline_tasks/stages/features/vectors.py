"""The source's own vectors: versions with a column of them in; vectors of one width by their hash out."""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.settings import SourceTable, night_end
from pipeline_tasks.spark.item_features import Embedding
from pipeline_tasks.spark.snapshots import newest_versions
from pipeline_tasks.stages.features.embedded import Embedded, to_all_workers

NAME, KEY = "embedding", "vector"


def vector_key() -> Column:
    """Return what tells vectors apart; null where there is none."""
    return F.when(F.size(NAME) > 0, F.xxhash64(NAME))


def embed_own(run_date: date, declared: SourceTable | None, versions: DataFrame) -> Embedded:
    """Take the items' own vectors, L2-normalized: those as long as most items' newest ones are.

    One of another length counts as none, and is counted: to the models it would be a vector of another space.
    """
    if declared is None or NAME not in declared.columns:
        return Embedded(Embedding(NAME, KEY, 0, None))
    newest = newest_versions(versions, "item_id", [night_end(run_date)])
    lengths = newest.groupBy(F.size(NAME).alias("width")).count().where("width > 0").collect()
    # of equally many the longer, so that the choice does not hang on an order
    width = max(((row["count"], row["width"]) for row in lengths), default=(0, 0))[1]
    wrong = sum(row["count"] for row in lengths if row["width"] != width)
    facts = {
        "vectors": sum(row["count"] for row in lengths),
        "vectors_width": width,
        "vectors_of_wrong_length": wrong,
    }
    fitting = versions.where(F.size(NAME) == width) if width else None
    if fitting is None:
        return Embedded(Embedding(NAME, KEY, 0, None), facts=facts)
    vectors = fitting.select(vector_key().alias(KEY), _unit().alias(NAME)).dropDuplicates([KEY])
    return Embedded(Embedding(NAME, KEY, width, to_all_workers(vectors, facts["vectors"])), facts=facts)


def _unit() -> Column:
    square = F.aggregate(NAME, F.lit(0.0), lambda total, x: total + x.cast("double") * x.cast("double"))
    length = F.when(square > 0, F.sqrt(square)).otherwise(1.0)
    return F.transform(NAME, lambda x: (x / length).cast("float"))
