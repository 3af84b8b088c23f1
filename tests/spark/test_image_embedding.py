"""Images in Spark's workers: their digests, their vectors, and images that cannot be read."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import SparkSession

from pipeline_tasks.encoders.images import Descriptors, open_image
from pipeline_tasks.spark.image_embedding import digest_images, embed_images
from tests.encoders.pictures import picture


def put_images(folder: Path) -> list[str]:
    """Write two good names of one picture, two that are no pictures, and name four that cannot be read."""
    (folder / "a b").mkdir()
    (folder / "a b" / "red.png").write_bytes(picture("red"))
    (folder / "torn.png").write_bytes(picture("red", striped=True)[:60])
    (folder / "text.png").write_text("no image")
    uri = (folder / "a b").as_uri() + "/red.png"
    return [
        "a b/red.png",
        uri,
        "torn.png",
        "text.png",
        "gone.png",
        "../red.png",
        "/red.png",
        "http://x/y.png",
    ]


def test_images_are_told_by_their_bytes_and_those_that_are_not_there_by_nothing(
    spark: SparkSession, tmp_path: Path
) -> None:
    names = put_images(tmp_path)
    frame = spark.createDataFrame([(name,) for name in names], "image string")
    found = {row.image: row.digest for row in digest_images(frame, tmp_path.as_uri()).collect()}
    assert found["a b/red.png"] == found[names[1]] == hashlib.sha256(picture("red")).hexdigest()
    assert len({found[name] for name in names[1:4]}) == 3
    assert [found[name] for name in names[4:]] == [None] * 4


def test_images_become_vectors_by_digest_and_what_is_no_picture_none(
    spark: SparkSession, tmp_path: Path
) -> None:
    names = put_images(tmp_path)
    frame = spark.createDataFrame([(name,) for name in names[1:]], "image string")
    rows = embed_images(frame, tmp_path.as_uri(), Descriptors()).collect()
    assert len(rows) == 3
    found = {row.digest: row.vector for row in rows}
    red = hashlib.sha256(picture("red")).hexdigest()
    assert found.pop(red) == Descriptors().encode(open_image(picture("red"))).tolist()
    assert set(found.values()) == {None}


@dataclass(frozen=True)
class Diverging:
    digest: str = "diverging"
    width: int = 2

    def encode(self, image: Any) -> np.ndarray:
        return np.array([np.nan, 1.0], np.float32)


def test_a_vector_that_is_not_finite_is_none(spark: SparkSession, tmp_path: Path) -> None:
    names = put_images(tmp_path)
    frame = spark.createDataFrame([(names[0],)], "image string")
    (row,) = embed_images(frame, tmp_path.as_uri(), Diverging()).collect()
    assert row.vector is None
