"""Image embeddings: images by name in, vectors of colour and texture out; none where one cannot be read."""

from collections.abc import Sequence
from functools import cache
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType

from pipeline_tasks.lake.store import Store, open_store

HUES, SATURATIONS, VALUES, TEXTURES = 12, 5, 5, 10
WIDTH = HUES + SATURATIONS + VALUES + TEXTURES
SIDE = 64


def describe_image(data: bytes) -> npt.NDArray[np.float32]:
    """Return (WIDTH,), L2-normalized: histograms of hue, saturation, value, and local binary patterns.

    Raises whatever Pillow raises for bytes that are no image. Texture: Ojala et al., "Multiresolution
    Gray-Scale and Rotation Invariant Texture Classification with Local Binary Patterns", 2002.
    """
    from PIL import Image
    from skimage.color import rgb2gray, rgb2hsv
    from skimage.feature import local_binary_pattern

    with Image.open(BytesIO(data)) as image:
        pixels = np.asarray(image.convert("RGB").resize((SIDE, SIDE)))
    hue, saturation, value = np.moveaxis(rgb2hsv(pixels), -1, 0)
    gray = (rgb2gray(pixels) * 255).astype(np.uint8)
    texture = local_binary_pattern(gray, TEXTURES - 2, 1, "uniform")
    parts = [
        # bins around the pure colours, so that reds on both sides of 0 are alike; the hue of a grey or black
        # pixel means nothing
        np.histogram((hue + 0.5 / HUES) % 1, HUES, (0, 1), weights=saturation * value)[0],
        np.histogram(saturation, SATURATIONS, (0, 1))[0],
        np.histogram(value, VALUES, (0, 1))[0],
        np.histogram(texture, TEXTURES, (0, TEXTURES))[0],
    ]
    # square roots of shares: each part then weighs the same, and the dot product is Hellinger's
    vector = np.concatenate([np.sqrt(part / max(part.sum(), 1e-12)) for part in parts])
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def embed_images(images: DataFrame, folder: str) -> DataFrame:
    """Return (image, image_embedding): null where the image is not there or is none.

    `image` is a file:// or s3:// URI, or a key under the URI `folder`.
    """

    def embed(names: pa.Array) -> pa.Array:
        return pa.array([_embed(name, folder) for name in names.to_pylist()], pa.list_(pa.float32()))

    vectors = F.arrow_udf(embed, ArrayType(FloatType()))  # type: ignore[attr-defined]  # missing in its stub
    return images.select("image", vectors("image").alias("image_embedding"))


def _embed(name: str, folder: str) -> Sequence[float] | None:
    root, key = name.rsplit("/", 1) if "://" in name else (folder, name)
    try:
        found: list[float] = describe_image(_store(root).read(key)).tolist()
    except Exception:  # whatever an image's bytes can raise: it is counted as missing
        return None
    return found


@cache
def _store(uri: str) -> Store:
    return open_store(uri)
