"""report.json in, a PNG for a chat message out: the verdict, the key figures and how they went.

Drawn by Pillow, with the font that it carries: no browser is needed where a night runs.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from pipeline_tasks.reporting import figures, verdict
from pipeline_tasks.reporting.trends import Line

WIDTH, HEIGHT = 1200, 630
# drawn so many times as large and made smaller: smooth edges
SCALE = 2
# more of a sentence does not fit
MOST_CHARACTERS = 600
MARGIN, TILE_GAP, TILE_HEIGHT = 56, 20, 150
INK, MUTED, PAGE, CARD, RULE, LINE = "#16202c", "#586575", "#f4f5f7", "#ffffff", "#dfe3e8", "#0072b2"
TONES = {"good": "#00795c", "wait": "#b87700", "bad": "#b83a00"}
TILES = (
    ("ndcg", "holdout NDCG", "{:.3f}"),
    ("online", "live lists' NDCG", "{:.3f}"),
    ("users", "users with a list", "{:,.0f}"),
    ("events", "clean events", "{:,.0f}"),
    ("kept_out_share", "events kept out", "{:.1%}"),
    ("seconds", "time of all stages", ""),
)


def draw(content: Mapping[str, Any]) -> bytes:
    """Return the card as PNG bytes, 1200 by 630 pixels."""
    nights = figures.nights_of(content)
    told = verdict.told(content)
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), PAGE)
    canvas = _Canvas(ImageDraw.Draw(image))
    canvas.box(0, 0, WIDTH, 14, TONES[told.tone])
    canvas.text(MARGIN, 36, f"Night {content['run_date']}", 30, MUTED)
    canvas.text(MARGIN, 72, told.word, 58, TONES[told.tone], bold=True)
    top = 150
    for line in canvas.wrapped(f"{told.line} {told.why}", 24, WIDTH - 2 * MARGIN, most=3):
        canvas.text(MARGIN, top, line, 24, INK)
        top += 33
    _tiles(canvas, nights)
    small = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    few = small.quantize(64, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _tiles(canvas: "_Canvas", nights: Sequence[Line]) -> None:
    """Draw the key figures that are known, three in a row."""
    shown = [each for each in TILES if getattr(nights[-1], each[0]) is not None]
    width = (WIDTH - 2 * MARGIN - 2 * TILE_GAP) / 3
    for place, (field, label, form) in enumerate(shown):
        left = MARGIN + place % 3 * (width + TILE_GAP)
        top = HEIGHT - 36 - (2 - place // 3) * (TILE_HEIGHT + TILE_GAP) + TILE_GAP
        value = getattr(nights[-1], field)
        canvas.box(left, top, left + width, top + TILE_HEIGHT, CARD, RULE)
        canvas.text(left + 20, top + 14, label, 21, MUTED)
        canvas.text(left + 20, top + 44, form.format(value) if form else figures.duration(value), 44, INK)
        values = [getattr(each, field) for each in nights]
        canvas.line(values, left + 20, top + 104, left + width - 20, top + TILE_HEIGHT - 16)


class _Canvas:
    """Draws in the card's pixels on an image SCALE times as large."""

    def __init__(self, inner: ImageDraw.ImageDraw) -> None:
        self.inner = inner

    def box(
        self, left: float, top: float, right: float, bottom: float, fill: str, edge: str | None = None
    ) -> None:
        self.inner.rounded_rectangle(
            [round(each * SCALE) for each in (left, top, right, bottom)],
            (10 if edge else 0) * SCALE,
            fill,
            edge,
            SCALE,
        )

    def text(self, left: float, top: float, text: str, size: int, fill: str, *, bold: bool = False) -> None:
        stroke = SCALE if bold else 0
        self.inner.text(
            (left * SCALE, top * SCALE), text, fill, _font(size), stroke_width=stroke, stroke_fill=fill
        )

    def wrapped(self, text: str, size: int, width: float, most: int) -> list[str]:
        """Return the text in at most `most` lines that fit the width; what is left over ends in an ellipsis."""
        font, rest = _font(size), " ".join(text[:MOST_CHARACTERS].split())
        lines: list[str] = []
        while rest and len(lines) < most:
            end = len(rest)
            while font.getlength(rest[:end]) > width * SCALE and end > 1:
                end = max(rest.rfind(" ", 0, end), 1) if " " in rest[1:end] else end - 1
            lines.append(rest[:end])
            rest = rest[end:].lstrip()
        if rest:
            lines[-1] = lines[-1][:-1].rstrip() + "…"
        return lines

    def line(
        self, values: Sequence[float | None], left: float, top: float, right: float, bottom: float
    ) -> None:
        """Draw values as a line; what is not known leaves a gap."""
        known = [value for value in values if value is not None]
        if len(known) < 2:
            return
        low, high = min(known), max(known)
        points = [
            None
            if value is None
            else (
                (left + place * (right - left) / (len(values) - 1)) * SCALE,
                (bottom - ((value - low) / (high - low) if high > low else 0.5) * (bottom - top)) * SCALE,
            )
            for place, value in enumerate(values)
        ]
        for a, b in pairwise(points):
            if a and b:
                self.inner.line([a, b], LINE, 3 * SCALE, joint="curve")
        if points[-1]:
            x, y = points[-1]
            self.inner.ellipse([x - 6 * SCALE, y - 6 * SCALE, x + 6 * SCALE, y + 6 * SCALE], LINE)


def _font(size: int) -> Any:
    return ImageFont.load_default(size * SCALE)
