"""Integer ids: the vocabulary before and tonight's ids in, an append-only vocabulary out."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def extend_vocabulary(
    known: DataFrame | None, ids: DataFrame, name: str, index: str, start: int
) -> DataFrame:
    """Return `known` (columns `name`, `index`) and, after it, the ids it lacks, sorted, from `start` on.

    Ids keep their integers for ever; 0 is never given (padding), so an empty vocabulary starts at 1.
    """
    distinct = ids.select(name).where(F.col(name).isNotNull()).distinct()
    new = distinct if known is None else distinct.join(known, name, "left_anti")
    # one global order has to run through one partition; only new ids pass through it
    order = F.row_number().over(Window.orderBy(name))
    numbered = new.select(name, (order + F.lit(start - 1)).cast("int").alias(index))
    return numbered if known is None else known.select(name, index).unionByName(numbered)
