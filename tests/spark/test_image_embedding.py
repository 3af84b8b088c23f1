"""Image embeddings: colour and texture, and images that cannot be read."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pyspark.sql import SparkSession

from pipeline_tasks.spark.image_embedding import WIDTH, describe_image, embed_images


def picture(colour: str, striped: bool = False, side: int = 32) -> bytes:
    image = Image.new("RGB", (side, side), colour)
    if striped:
        for x in range(0, side, 4):
            ImageDraw.Draw(image).rectangle((x, 0, x + 1, side), fill="black")
    data = BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def test_a_picture_is_a_unit_vector_of_fixed_width() -> None:
    for found in (picture("red"), picture("black"), picture("red", striped=True, side=7)):
        vector = describe_image(found)
        assert vector.shape == (WIDTH,)
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_colour_and_texture_tell_pictures_apart() -> None:
    red, crimson, blue = (describe_image(picture(name)) for name in ("red", "crimson", "blue"))
    assert red @ crimson > red @ blue
    striped = describe_image(picture("red", striped=True))
    assert red @ red > red @ striped


def test_images_are_read_from_the_folder_or_a_uri_and_missing_ones_are_null(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "red.png").write_bytes(picture("red"))
    (tmp_path / "torn.png").write_bytes(picture("red")[:40])
    (tmp_path / "text.png").write_text("no image")
    uri = (tmp_path / "a b").as_uri() + "/red.png"
    names = [
        "a b/red.png",
        uri,
        "torn.png",
        "text.png",
        "gone.png",
        "../red.png",
        "/red.png",
        "http://x/y.png",
    ]
    frame = spark.createDataFrame([(name,) for name in names], "image string")
    found = {row.image: row.image_embedding for row in embed_images(frame, tmp_path.as_uri()).collect()}
    expected = describe_image(picture("red")).tolist()
    assert found["a b/red.png"] == found[uri] == expected
    assert [found[name] for name in names[2:]] == [None] * 6
