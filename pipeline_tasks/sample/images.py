"""A small picture of an item: its category, brand and colour come in, PNG bytes come out."""

import colorsys
import io
import math

from PIL import Image, ImageDraw

from pipeline_tasks.sample import vocabulary as words
from pipeline_tasks.sample.catalogue import Catalogue

SIZE = 64
_CORNERS = (3, 4, 5, 6, 8, 40)  # the shapes: a triangle up to a disc, plain or as a star
_DEPARTMENTS = sorted(words.DEPARTMENTS)

Colour = tuple[int, int, int]


def item_png(catalogue: Catalogue, item: int) -> bytes:
    """Draw an item: the department gives the shape, the category what is on it, the colour the hue, the
    brand the background."""
    category = int(catalogue.category[item])
    department = _DEPARTMENTS.index(words.CATEGORIES[category].department)
    hue = words.COLOURS[int(catalogue.colour[item])][2]
    brand = int(catalogue.brand[item])
    image = Image.new("RGB", (SIZE, SIZE), _rgb(brand * 0.618 % 1, 0.08 + 0.10 * (brand % 3), 0.95))
    canvas = ImageDraw.Draw(image)
    turn = (int(catalogue.draws[item, 0]) % 12 - 6) / 30
    star = department >= len(_CORNERS)
    canvas.polygon(
        _shape(_CORNERS[department % len(_CORNERS)], star, turn), _rgb(hue, 0.75, 0.8), _rgb(hue, 0.9, 0.4)
    )
    _pattern(canvas, category, _rgb(hue, 0.35, 1.0))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def _rgb(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue


def _shape(corners: int, star: bool, turn: float) -> list[tuple[float, float]]:
    """Return the corners of a polygon, or of a star with as many points, around the middle."""
    count = 2 * corners if star else corners
    points = []
    for corner in range(count):
        radius = 26.0 if not star or corner % 2 == 0 else 15.0
        angle = 2 * math.pi * corner / count - math.pi / 2 + turn
        points.append((SIZE / 2 + radius * math.cos(angle), SIZE / 2 + radius * math.sin(angle)))
    return points


def _pattern(canvas: ImageDraw.ImageDraw, category: int, colour: Colour) -> None:
    """Draw stripes, bars, dots or rings on the shape, more or fewer of them by category."""
    kind, density = category % 4, 2 + category // 4 % 4
    for mark in range(density):
        at = 32 + (mark - (density - 1) / 2) * 18 / density
        if kind == 0:
            canvas.line((22, at, 42, at), colour, 2)
        elif kind == 1:
            canvas.line((at, 22, at, 42), colour, 2)
        elif kind == 2:
            canvas.ellipse((at - 2, 30, at + 2, 34), colour)
        else:
            radius = 3 + 3 * mark
            canvas.ellipse((32 - radius, 32 - radius, 32 + radius, 32 + radius), outline=colour)
