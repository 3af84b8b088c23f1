"""Image embeddings: images by name in; the digests of their bytes, and vectors by digest, out."""

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from pipeline_tasks.encoders.images import open_image
from pipeline_tasks.sources.images import read_image

if TYPE_CHECKING:
    from PIL.Image import Image

SCHEMA = "digest string, vector array<float>"
VECTOR = pa.list_(pa.float32())


class ImageEncoder(Protocol):
    """What makes vectors of pictures; it travels to Spark's workers."""

    @property
    def digest(self) -> str:
        """Names the encoder: equal digests make equal vectors."""

    @property
    def width(self) -> int:
        """Length of a vector."""

    def encode(self, image: "Image") -> npt.NDArray[np.float32]:
        """Return (width,)."""


def digest_images(images: DataFrame, folder: str) -> DataFrame:
    """Return (image, digest): SHA-256 of the bytes, null where the image is not there.

    `image` is a file:// or s3:// URI, or a key under the URI `folder`.
    """

    def digests(names: pa.Array) -> pa.Array:
        found = [read_image(name, folder) for name in names.to_pylist()]
        return pa.array([None if data is None else _digest(data) for data in found], pa.string())

    digest = F.arrow_udf(digests, StringType())  # type: ignore[attr-defined]  # missing in its stub
    return images.select("image", digest("image").alias("digest"))


def embed_images(images: DataFrame, folder: str, encoder: ImageEncoder) -> DataFrame:
    """Return (digest, vector) of the bytes behind each `image`: null where they are no whole picture.

    No row for an image that is there no more.
    """
    return images.select("image").mapInArrow(partial(_embed, folder, encoder), SCHEMA)


def _embed(folder: str, encoder: ImageEncoder, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        read = (read_image(name, folder) for name in batch.column(0).to_pylist())
        rows = [(_digest(data), _vector(data, encoder)) for data in read if data is not None]
        digests, vectors = ([row[place] for row in rows] for place in (0, 1))
        yield pa.RecordBatch.from_arrays(
            [pa.array(digests, pa.string()), pa.array(vectors, VECTOR)], ["digest", "vector"]
        )


def _vector(data: bytes, encoder: ImageEncoder) -> npt.NDArray[np.float32] | None:
    try:
        image = open_image(data)
    except Exception:  # whatever an image's bytes can raise: it is counted as missing
        return None
    vector = encoder.encode(image)
    return vector if np.isfinite(vector).all() else None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
