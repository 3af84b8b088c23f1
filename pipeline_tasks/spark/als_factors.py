"""ALS by Spark ML: who touched what, how seriously, in; a vector an item out.

Hu, Koren and Volinsky 2008, "Collaborative filtering for implicit feedback datasets", as in models/als.py: a
pair's preference is 1 and its confidence 1 + alpha times its weight. The penalty is another one: Spark
multiplies it by the number of a user's or item's pairs (Zhou et al. 2008, "Large-scale parallel collaborative
filtering for the Netflix Prize"), so that it grows with them. Divided by their mean number, it weighs on
average what the plain one does.
"""

from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

USER, ITEM, WEIGHT = "user_index", "item_index", "weight"


def als_factors(
    pairs: DataFrame,
    *,
    dim: int,
    alpha: float,
    regularization: float,
    iterations: int,
    seed: int,
    blocks: int,
) -> DataFrame:
    """Return (item_index, factors) of each item of `pairs`: (user_index, item_index, weight above 0), once each.

    Users and items are split into `blocks`, each of which starts at random numbers of its own: the same pairs
    in the same partitions, seed and blocks give the same factors (sums are made in double precision, whose
    rounding hangs on the order in which a cluster's tasks end, and hardly ever shows in single precision).
    """
    counted = pairs.agg(F.count("*"), F.count_distinct(USER), F.count_distinct(ITEM)).collect()
    count, users, items = counted[0]
    solver = ALS(
        rank=dim,
        alpha=alpha,
        regParam=regularization * (users + items) / (2 * count),
        maxIter=iterations,
        implicitPrefs=True,
        seed=seed,
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        userCol=USER,
        itemCol=ITEM,
        ratingCol=WEIGHT,
    )
    found = solver.fit(pairs).itemFactors
    return found.select(F.col("id").alias(ITEM), F.col("features").alias("factors"))
