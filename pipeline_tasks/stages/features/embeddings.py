"""Embeddings of items: their versions and the chosen encoders in; an embedding for each kind of content out."""

from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame

from pipeline_tasks.contracts import ITEM_TEXTS
from pipeline_tasks.encoders.images import Descriptors
from pipeline_tasks.encoders.sentences import PREFIX, SentenceEncoder, open_sentences
from pipeline_tasks.settings import CHECKOUT, FeatureSettings, Settings, Source
from pipeline_tasks.spark.image_embedding import ImageEncoder
from pipeline_tasks.spark.staging import Staging
from pipeline_tasks.stages.features import images, texts, vectors
from pipeline_tasks.stages.features.embedded import Embedded


@dataclass(frozen=True)
class Encoders:
    """What the settings ask for; `text` is None for TF-IDF, which is fitted to the night's own texts."""

    text: SentenceEncoder | None
    image: ImageEncoder


def open_encoders(settings: FeatureSettings) -> Encoders:
    """Return the encoders, loaded; raises Refused where one is not installed or its weights are not here."""
    name = settings.text_encoder
    text = open_sentences(name.removeprefix(PREFIX), CHECKOUT) if name.startswith(PREFIX) else None
    if settings.image_weights is None or settings.image_encoder == "descriptors":
        return Encoders(text, Descriptors())
    # torch takes its time to import, and only a network needs it
    from pipeline_tasks.encoders.networks import open_network

    weights = CHECKOUT / settings.image_weights.expanduser()
    return Encoders(text, open_network(settings.image_encoder, weights))


def keyed(versions: DataFrame, encoders: Encoders) -> DataFrame:
    """Return the versions with keys in place of what is embedded, so that it does not travel with them."""
    keys = {texts.KEY: texts.text_key(encoders.text), vectors.KEY: vectors.vector_key()}
    return versions.withColumns(keys).drop("tokens", vectors.NAME, *ITEM_TEXTS)


def embed_items(
    staging: Staging,
    run_date: date,
    settings: Settings,
    source: Source,
    encoders: Encoders,
    versions: DataFrame,
) -> list[Embedded]:
    """Embed all that the items' versions hold: texts, images, and vectors of the source's own."""
    return [
        texts.embed_by_model(staging, run_date, encoders.text, versions)
        if encoders.text
        else texts.embed_by_counts(staging, run_date, settings.features, settings.seed, versions),
        images.embed_pictures(staging, run_date, encoders.image, source.items, versions),
        vectors.embed_own(run_date, source.items, versions),
    ]
