"""Embeddings of items' images: versions in; vectors by the image's name, and how many have none, out."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.settings import SourceTable
from pipeline_tasks.sources.images import folder_of
from pipeline_tasks.spark.image_embedding import ImageEncoder, digest_images, embed_images
from pipeline_tasks.spark.item_features import Embedding
from pipeline_tasks.spark.staging import Staging
from pipeline_tasks.stages.features.embedded import Embedded, to_all_workers
from pipeline_tasks.stages.features.encoded import KEPT, encode_new

NAME, KEY = "image_embedding", "image"


def embed_pictures(
    staging: Staging, run_date: date, encoder: ImageEncoder, declared: SourceTable | None, versions: DataFrame
) -> Embedded:
    """Embed the images of all versions in Spark's Python workers: those whose bytes are new."""
    named = versions.where(F.col(KEY).isNotNull()).select(KEY).distinct()
    count = named.count() if declared else 0
    if not declared or not count:
        facts = {"images": 0, "images_encoded": 0, "images_missing": 0}
        return Embedded(Embedding(NAME, KEY, encoder.width, None), facts=facts)
    folder = folder_of(declared)
    digests = digest_images(named, folder).persist(KEPT)
    wanted = digests.where(F.col("digest").isNotNull()).groupBy("digest").agg(F.min(KEY).alias(KEY))
    found = encode_new(
        staging, run_date, encoder.digest, wanted, lambda new: embed_images(new, folder, encoder)
    )
    vectors = digests.join(found.vectors, "digest").select(KEY, F.col("vector").alias(NAME)).persist(KEPT)
    missing = count - vectors.where(F.col(NAME).isNotNull()).count()
    return Embedded(
        Embedding(NAME, KEY, encoder.width, to_all_workers(vectors, count)),
        found.inputs,
        found.outputs,
        {"images": count, "images_encoded": found.made, "images_missing": missing},
    )
