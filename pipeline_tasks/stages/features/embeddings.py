"""Embeddings of items' texts and images: items as they were at each stamp in, vectors for them out."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.settings import FeatureSettings, SourceTable
from pipeline_tasks.sources import files
from pipeline_tasks.sources.files import GLOB
from pipeline_tasks.spark import image_embedding
from pipeline_tasks.spark.item_features import Embedding
from pipeline_tasks.spark.staging import Staging
from pipeline_tasks.spark.text_embedding import TextEncoder, align, fit_encoder

ENCODER = "features/text_encoder"
KEPT = StorageLevel.MEMORY_AND_DISK


# up to so many vectors are sent to all workers, rather than all items to where their vector is
BROADCAST_ROWS = 50_000


@dataclass(frozen=True)
class Embedded:
    """An embedding of the items, and what a record says of its making."""

    vectors: Embedding
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def with_text_key(versions: DataFrame) -> DataFrame:
    """Return the versions with a number in place of their tokens: equal tokens have equal numbers."""
    return versions.withColumn("text", F.xxhash64("tokens")).drop("tokens")


def embed_texts(
    staging: Staging, run_date: date, settings: FeatureSettings, seed: int, versions: DataFrame
) -> Embedded:
    """Embed the distinct texts of all versions: fitted and applied in this process, by scikit-learn.

    The encoder is the newest one before the night; one that is older than `refit_days` or of another width
    is fitted anew, kept, and turned to the space of the old one.
    """
    found = versions.select(F.xxhash64("tokens").alias("text"), "tokens").distinct().toArrow().sort_by("text")
    documents = found["tokens"].to_pylist()
    encoder, inputs, outputs = _encoder(staging, run_date, settings, seed, documents)
    flat = pa.array(encoder.encode(documents).reshape(-1), pa.float32())
    vectors = pa.FixedSizeListArray.from_arrays(flat, encoder.width).cast(pa.list_(pa.float32()))
    table = pa.table({"text": found["text"], "text_embedding": vectors})
    frame = staging.spark.createDataFrame(table)
    frame = F.broadcast(frame) if len(documents) <= BROADCAST_ROWS else frame
    return Embedded(
        Embedding("text_embedding", "text", encoder.width, frame),
        inputs,
        outputs,
        {"texts": len(documents), "encoder": next(iter({**inputs, **outputs})), "refitted": bool(outputs)},
    )


def _encoder(
    staging: Staging, run_date: date, settings: FeatureSettings, seed: int, documents: list[list[str]]
) -> tuple[TextEncoder, dict[str, str], dict[str, str]]:
    store = staging.store
    newest = tables.newest_before(store, ENCODER, run_date)
    earlier, inputs = None, {}
    if newest:
        place = layout.night(ENCODER, newest)
        commit = tables.require_commit(store, place, "features")
        if commit.facts["width"] == settings.text_dim:
            earlier = TextEncoder.from_table(tables.read_table(store, place, "features"), settings.text_dim)
            inputs = {place: commit.digest}
        if earlier and run_date - newest < timedelta(days=settings.refit_days):
            return earlier, inputs, {}
    fitted = fit_encoder(documents, settings.text_dim, seed)
    encoder = align(fitted, earlier, documents) if earlier else fitted
    place = layout.night(ENCODER, run_date)
    commit = tables.write_table(store, place, encoder.to_table(), facts={"width": settings.text_dim})
    return encoder, inputs, {place: commit.digest}


def embed_images(declared: SourceTable | None, versions: DataFrame) -> Embedded:
    """Embed the distinct images of all versions, in Spark's Python workers; counts those without a vector."""
    named = versions.where(F.col("image").isNotNull()).select("image").distinct()
    images = named.count() if declared else 0
    if not declared or not images:
        nothing = Embedding("image_embedding", "image", image_embedding.WIDTH, None)
        return Embedded(nothing, facts={"images": 0, "images_missing": 0})
    vectors = image_embedding.embed_images(named, folder_of(declared)).persist(KEPT)
    missing = vectors.where(F.col("image_embedding").isNull()).count()
    frame = F.broadcast(vectors) if images <= BROADCAST_ROWS else vectors
    return Embedded(
        Embedding("image_embedding", "image", image_embedding.WIDTH, frame),
        facts={"images": images, "images_missing": missing},
    )


def folder_of(table: SourceTable) -> str:
    """Return the URI of the folder that holds a table's files: what their relative names start from."""
    whole = table.uri.rstrip("/")
    if files(table) == [whole]:
        return whole.rpartition("/")[0]
    match = GLOB.search(whole)
    return whole[: match.start()].rpartition("/")[0] if match else whole
