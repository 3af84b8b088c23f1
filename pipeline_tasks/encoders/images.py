"""Images: their bytes in, pictures out; and vectors of colour and texture, which need no trained weights."""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

HUES, SATURATIONS, VALUES, TEXTURES = 12, 5, 5, 10
SIDE = 64


def open_image(data: bytes) -> "Image":
    """Return the picture in RGB; raises whatever Pillow raises for bytes that are no whole image."""
    from PIL import Image

    with Image.open(BytesIO(data)) as image:
        return image.convert("RGB")


@dataclass(frozen=True)
class Descriptors:
    """Histograms of hue, saturation, value, and local binary patterns.

    Texture: Ojala et al., "Multiresolution Gray-Scale and Rotation Invariant Texture Classification with
    Local Binary Patterns", 2002.
    """

    digest: str = "descriptors-1"  # another number where the vectors change
    width: int = HUES + SATURATIONS + VALUES + TEXTURES

    def encode(self, image: "Image") -> npt.NDArray[np.float32]:
        """Return (width,), L2-normalized."""
        from skimage.color import rgb2gray, rgb2hsv
        from skimage.feature import local_binary_pattern

        pixels = np.asarray(image.resize((SIDE, SIDE)))
        hue, saturation, value = np.moveaxis(rgb2hsv(pixels), -1, 0)
        gray = (rgb2gray(pixels) * 255).astype(np.uint8)
        texture = local_binary_pattern(gray, TEXTURES - 2, 1, "uniform")
        parts = [
            # bins around the pure colours, so that reds on both sides of 0 are alike; the hue of a grey or
            # black pixel means nothing
            np.histogram((hue + 0.5 / HUES) % 1, HUES, (0, 1), weights=saturation * value)[0],
            np.histogram(saturation, SATURATIONS, (0, 1))[0],
            np.histogram(value, VALUES, (0, 1))[0],
            np.histogram(texture, TEXTURES, (0, TEXTURES))[0],
        ]
        # square roots of shares: each part then weighs the same, and the dot product is Hellinger's
        vector = np.concatenate([np.sqrt(part / max(part.sum(), 1e-12)) for part in parts])
        return np.asarray(vector / np.linalg.norm(vector), np.float32)
