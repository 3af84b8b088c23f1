"""Colour and texture of pictures, and bytes that are none."""

import numpy as np
import pytest

from pipeline_tasks.encoders.images import Descriptors, open_image
from tests.encoders.pictures import picture

ENCODER = Descriptors()


def describe(data: bytes) -> np.ndarray:
    return ENCODER.encode(open_image(data))


def test_a_picture_is_a_unit_vector_of_fixed_width() -> None:
    for found in (
        picture("red"),
        picture("black"),
        picture("red", striped=True, side=7),
        picture("red", side=1),
    ):
        vector = describe(found)
        assert vector.shape == (ENCODER.width,)
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_colour_and_texture_tell_pictures_apart() -> None:
    red, crimson, blue = (describe(picture(name)) for name in ("red", "crimson", "blue"))
    assert red @ crimson > red @ blue
    striped = describe(picture("red", striped=True))
    assert red @ red > red @ striped


@pytest.mark.parametrize("data", [b"", b"no image", picture("red")[:40], picture("red", striped=True)[:-30]])
def test_bytes_that_are_no_whole_picture_cannot_be_opened(data: bytes) -> None:
    with pytest.raises((OSError, SyntaxError)):
        open_image(data)
