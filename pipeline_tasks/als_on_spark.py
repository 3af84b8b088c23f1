"""ALS on a cluster: histories in; the model whose items Spark ML has fitted out, users folded in as ever."""

import numpy as np
import pyarrow as pa

from pipeline_tasks.models.als import Als, AlsConfig
from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.models.interface import Training
from pipeline_tasks.models.tastes import Tastes, tastes_of
from pipeline_tasks.scratch import scratch_folder
from pipeline_tasks.settings import Settings


def fit_on_spark(
    settings: Settings, histories: Histories, catalogue: Catalogue, config: AlsConfig, training: Training
) -> Als:
    """Return als fitted on a session of `settings.spark`; raises Refused where there is no Java.

    The pairs go through the driver's heap (`spark.driver_memory`), 12 bytes each. Every fit starts at random:
    Spark takes no earlier factors to go on from.
    """
    # not at the top: the training container has no Spark, and settings that want it there are refused
    from pipeline_tasks.spark.als_factors import als_factors
    from pipeline_tasks.spark.session import spark_session

    known = histories.last(config.max_history)
    tastes, device = tastes_of(known, config.weights), training.device
    if not len(tastes.items):
        nothing = np.zeros((0, config.dim), np.float32)
        return Als.of_factors(config, catalogue.n_items, tastes.items, nothing, device)
    training.say(f"{len(tastes.items):,} pairs of users and items to Spark ML")
    with (
        scratch_folder(settings) as scratch,
        spark_session(settings.spark, "train", scratch) as spark,
    ):
        found = als_factors(
            spark.createDataFrame(_pairs(known, tastes)),
            dim=config.dim,
            alpha=config.alpha,
            regularization=config.regularization,
            iterations=config.iterations,
            seed=training.seed,
            blocks=settings.spark.shuffle_partitions,
        ).toArrow()
    items = found["item_index"].to_numpy().astype(np.int64)
    factors = found["factors"].combine_chunks().flatten().to_numpy().reshape(len(items), config.dim)
    return Als.of_factors(config, catalogue.n_items, items, factors, device)


def _pairs(known: Histories, tastes: Tastes) -> pa.Table:
    return pa.table(
        {
            "user_index": pa.array(known.users[tastes.rows], pa.int32()),
            "item_index": pa.array(tastes.items, pa.int32()),
            "weight": pa.array(tastes.weights, pa.float32()),
        }
    )
