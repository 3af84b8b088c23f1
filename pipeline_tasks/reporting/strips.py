"""Shapes that fill a table cell: a number in, markup out. The number stands beside each, so they are silent.

They are drawn in 100 by 10 units and stretched, and so carry no text, and lines whose width is the style sheet's.
"""

from collections.abc import Sequence

from markupsafe import Markup


def bar(share: float | None, css: str = "a", beside: float | None = None) -> Markup:
    """Draw a share of 1 as a bar that fills its cell, and a mark where `beside` is."""
    shape = Markup('<rect class="fill {}" x="0" y="1" width="{:.2f}" height="8"/>').format(
        css, 100 * _within(share)
    )
    if beside is not None:
        at = 100 * _within(beside)
        shape += Markup('<line class="mark" x1="{:.2f}" x2="{:.2f}" y1="-1" y2="11"/>').format(at, at)
    return _stretched(shape)


def stack(shares: Sequence[tuple[str, float]]) -> Markup:
    """Draw shares (css class, share of 1) side by side."""
    shape, at = Markup(""), 0.0
    for css, share in shares:
        shape += Markup('<rect class="fill {}" x="{:.2f}" y="1" width="{:.2f}" height="8"/>').format(
            css, 100 * at, 100 * share
        )
        at += share
    return _stretched(shape)


def span(begin: float, length: float, css: str = "a") -> Markup:
    """Draw a stretch of 0..1 within its cell, as of a stage in the night."""
    return _stretched(
        Markup('<rect class="fill {}" x="{:.2f}" y="1" width="{:.2f}" height="8"/>').format(
            css, 100 * _within(begin), max(100 * _within(length), 0.4)
        )
    )


def interval(value: float, ends: Sequence[float] | None, most: float, css: str = "a") -> Markup:
    """Draw a value of 0..most as a dot, on the line of its interval where there is one."""
    scale = 100 / most if most else 0.0
    shape = Markup('<line class="axis" x1="0" x2="100" y1="5" y2="5"/>')
    if ends:
        low, high = (100 * _within(end * scale / 100) for end in ends)
        shape += Markup('<line class="whisker {}" x1="{:.2f}" x2="{:.2f}" y1="5" y2="5"/>').format(
            css, low, high
        )
    at = 100 * _within(value * scale / 100)
    shape += Markup('<line class="point {}" x1="{:.2f}" x2="{:.2f}" y1="5" y2="5"/>').format(css, at, at)
    return _stretched(shape)


def limits(value: float, some: float, much: float) -> Markup:
    """Draw a value on a scale that two thresholds divide into thirds."""
    cuts = [0.0, some, much]
    place = max(n for n in range(3) if value >= cuts[n])
    within = (value - cuts[place]) / ([*cuts, 2 * much][place + 1] - cuts[place])
    at = (place + _within(within)) * 100 / 3
    shape = Markup('<line class="axis" x1="0" x2="100" y1="5" y2="5"/>')
    for n in (1, 2):
        shape += Markup('<line class="mark" x1="{0:.2f}" x2="{0:.2f}" y1="1" y2="9"/>').format(n * 100 / 3)
    css = ("a", "c", "bad")[place]
    shape += Markup('<line class="point {}" x1="{:.2f}" x2="{:.2f}" y1="5" y2="5"/>').format(css, at, at)
    return _stretched(shape)


def _within(share: float | None) -> float:
    return min(max(float(share or 0.0), 0.0), 1.0)


def _stretched(shape: Markup) -> Markup:
    """Return shapes in 100 by 10 units that fill their cell; the number beside them says the same."""
    return Markup(
        '<svg class="strip" viewBox="0 -1 100 12" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(shape)
