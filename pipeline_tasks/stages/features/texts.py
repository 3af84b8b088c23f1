"""Embeddings of items' texts: versions in; vectors by text, by the encoder that the settings name, out."""

from datetime import date, timedelta

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.contracts import ITEM_TEXTS
from pipeline_tasks.encoders.sentences import SentenceEncoder
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.settings import FeatureSettings
from pipeline_tasks.spark.item_features import Embedding
from pipeline_tasks.spark.staging import Staging
from pipeline_tasks.spark.text_embedding import Floats, TextEncoder, align, fit_encoder
from pipeline_tasks.stages.features.embedded import Embedded, to_all_workers
from pipeline_tasks.stages.features.encoded import encode_new

ENCODER = "features/text_encoder"
NAME, KEY = "text_embedding", "text"


def text_key(encoder: SentenceEncoder | None) -> Column:
    """Return what tells texts apart: equal tokens have equal numbers, equal texts equal digests.

    Null for an item without a text, where texts are encoded as they stand.
    """
    if encoder is None:
        return F.xxhash64("tokens")
    whole = _whole_text()
    return F.when(whole != "", F.sha2(whole, 256))


def _whole_text() -> Column:
    return F.trim(F.concat_ws("\n", *ITEM_TEXTS))


def embed_by_model(
    staging: Staging, run_date: date, encoder: SentenceEncoder, versions: DataFrame
) -> Embedded:
    """Embed the distinct texts of all versions by a trained model in this process: those that are new."""
    texts = versions.select(text_key(encoder).alias("digest"), _whole_text().alias("whole"))
    wanted = texts.where(F.col("digest").isNotNull()).dropDuplicates(["digest"])

    def encode(new: DataFrame) -> DataFrame:
        found = new.toArrow().sort_by("digest")
        vectors = _lists(encoder.encode(found["whole"].to_pylist()))
        table = pa.table({"digest": found["digest"].cast(pa.string()), "vector": vectors})
        return staging.spark.createDataFrame(table)

    found = encode_new(staging, run_date, encoder.digest, wanted, encode)
    vectors = found.vectors.select(F.col("digest").alias(KEY), F.col("vector").alias(NAME))
    count = found.made + found.kept
    return Embedded(
        Embedding(NAME, KEY, encoder.width, to_all_workers(vectors, count)),
        found.inputs,
        found.outputs,
        {"texts": count, "texts_encoded": found.made, "encoder": layout.encoded(encoder.digest)},
    )


def embed_by_counts(
    staging: Staging, run_date: date, settings: FeatureSettings, seed: int, versions: DataFrame
) -> Embedded:
    """Embed the distinct texts of all versions by TF-IDF and SVD, fitted and applied in this process.

    The encoder is the newest one before the night; one that is older than `refit_days` or of another width
    is fitted anew, kept, and turned to the space of the old one.
    """
    found = versions.select(text_key(None).alias(KEY), "tokens").distinct().toArrow().sort_by(KEY)
    documents = found["tokens"].to_pylist()
    encoder, inputs, outputs = _encoder(staging, run_date, settings, seed, documents)
    table = pa.table({KEY: found[KEY], NAME: _lists(encoder.encode(documents))})
    frame = to_all_workers(staging.spark.createDataFrame(table), len(documents))
    return Embedded(
        Embedding(NAME, KEY, encoder.width, frame),
        inputs,
        outputs,
        {
            "texts": len(documents),
            "texts_encoded": len(documents),
            "encoder": next(iter({**inputs, **outputs})),
            "refitted": bool(outputs),
        },
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


def _lists(vectors: Floats) -> pa.Array:
    flat = pa.array(vectors.reshape(-1), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]).cast(pa.list_(pa.float32()))
