"""Small SVG charts over nights and bins: numbers in, markup out. Colours and widths are the style sheet's.

Every chart says in words what it shows, and whatever is put into it is escaped.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT = 280.0, 116.0
LEFT, RIGHT, TOP, BOTTOM = 5.0, 40.0, 9.0, 18.0
MARKED = 12  # up to so many nights each has a dot of its own

Number = float | int | None


@dataclass(frozen=True)
class Series:
    """A line over nights: a value a night (None: not known), and its interval where there is one."""

    name: str
    values: Sequence[Number]
    intervals: Sequence[Sequence[float] | None] = ()
    css: str = "a"

    def band(self) -> Sequence[Sequence[float] | None]:
        return self.intervals or [None] * len(self.values)


def lines(nights: Sequence[str], series: Sequence[Series], title: str, form: str = "{:,.0f}") -> Markup:
    """Draw series over nights (YYYY-MM-DD); `form` writes a value. A night without a value leaves a gap."""
    known = [
        value
        for each in series
        for value, band in zip(each.values, each.band(), strict=True)
        for value in (value, *(band or ()))
        if value is not None
    ]
    if not known:
        return Markup("")
    marks = _marks(known)
    low, high = marks[0], marks[-1]
    days = [date.fromisoformat(night).toordinal() for night in nights]
    across = max(days[-1] - days[0], 1)

    def x(day: int) -> float:
        place = (day - days[0]) / across if len(days) > 1 else 0.5
        return LEFT + place * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    places = [x(day) for day in days]
    parts = [_grid(marks, y, form), _dates(nights)]
    parts += [_area(places, each, y) for each in series]
    parts += [_curve(places, each, y) for each in series]
    return _svg(
        f"0 0 {WIDTH:g} {HEIGHT:g}", title, Markup("").join(parts), "chart", _told(nights, series, form)
    )


def _marks(known: Sequence[float]) -> list[float]:
    """Return the marks of an axis, two to five round numbers around the values: from zero where that is near."""
    low, high = min(known), max(known)
    if low >= 0 and low < 0.6 * high:
        low = 0.0
    rough = (high - low or abs(high) or 1.0) / 3
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * unit for unit in (1, 2, 2.5, 5, 10) if power * unit >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * place for place in range(first, max(last, first + 1) + 1)]


def _grid(marks: Sequence[float], y: Callable[[float], float], form: str) -> Markup:
    right = WIDTH - RIGHT + 4
    return Markup("").join(
        Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
            LEFT, right, y(mark), y(mark)
        )
        + Markup('<text x="{}" y="{:.1f}">{}</text>').format(right + 4, y(mark) + 3.5, _mark(mark, form))
        for mark in marks
    )


def _mark(value: float, form: str) -> str:
    """Return a mark's number: as short as it can be said, in percent where the values are."""
    if form.endswith("%}"):
        return f"{100 * value:.6g}%"
    if value >= 10_000:
        return f"{value / 1000:,.6g}k"
    return f"{value:,.6g}"


def _dates(nights: Sequence[str]) -> Markup:
    first = Markup('<text x="{}" y="{}">{}</text>').format(LEFT, HEIGHT - 4, nights[0][5:])
    if len(nights) == 1:
        return first
    return first + Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(
        WIDTH - RIGHT, HEIGHT - 4, nights[-1][5:]
    )


def _area(places: Sequence[float], series: Series, y: Callable[[float], float]) -> Markup:
    """Draw the interval: a band between nights in a row, a bar where a night has no neighbour."""
    drawn = Markup("")
    for run in _runs(places, series.band()):
        if len(run) == 1:
            ((at, (low, high)),) = run
            run = [(at - 2, (low, high)), (at + 2, (low, high))]
        up = " ".join(f"{at:.1f},{y(high):.1f}" for at, (_, high) in run)
        down = " ".join(f"{at:.1f},{y(low):.1f}" for at, (low, _) in reversed(run))
        drawn += Markup('<polygon class="band {}" points="{} {}"/>').format(series.css, up, down)
    return drawn


def _curve(places: Sequence[float], series: Series, y: Callable[[float], float]) -> Markup:
    drawn = Markup("")
    for run in _runs(places, series.values):
        points = " ".join(f"{at:.1f},{y(value):.1f}" for at, value in run)
        drawn += Markup('<polyline class="line {}" points="{}"/>').format(series.css, points)
    dots = [(at, value) for at, value in zip(places, series.values, strict=True) if value is not None]
    for at, value in dots if len(places) <= MARKED else dots[-1:]:
        drawn += Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(
            series.css, at, y(value)
        )
    return drawn


def _runs(places: Sequence[float], values: Sequence[Any]) -> list[list[tuple[float, Any]]]:
    """Return the stretches of nights whose value is known."""
    runs: list[list[tuple[float, Any]]] = [[]]
    for at, value in zip(places, values, strict=True):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((at, value))
    return [run for run in runs if run]


def _told(nights: Sequence[str], series: Sequence[Series], form: str) -> str:
    told = []
    for each in series:
        known = [
            (night, value) for night, value in zip(nights, each.values, strict=True) if value is not None
        ]
        if known:
            (first, start), (last, end) = known[0], known[-1]
            told.append(f"{each.name}: {form.format(start)} on {first}, {form.format(end)} on {last}")
    return "; ".join(told)


def spark(values: Sequence[Number]) -> Markup:
    """Draw a line without axes, beside a number that says the last of them; nothing for fewer than two."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Markup("")
    low, high = min(known), max(known)
    step = 100 / (len(values) - 1)

    def y(value: float) -> float:
        return 22 - (value - low) / ((high - low) or 1) * 18 if high > low else 13

    series = Series("", values)
    body = Markup("").join(
        Markup('<polyline class="line a" points="{}"/>').format(
            " ".join(f"{at:.1f},{y(value):.1f}" for at, value in run)
        )
        for run in _runs([step * place for place in range(len(values))], series.values)
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 100 26" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(body)


def columns(now: Sequence[float], before: Sequence[float], title: str) -> Markup:
    """Draw two rows of shares beside each other, bin by bin."""
    most = max([*now, *before, 1e-9])
    step, body = (WIDTH - 2 * LEFT) / len(now), Markup("")
    for place, pair in enumerate(zip(before, now, strict=True)):
        for side, (css, share) in enumerate(zip(("quiet", "a"), pair, strict=True)):
            height = share / most * (HEIGHT - TOP - BOTTOM)
            body += Markup(
                '<rect class="fill {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
            ).format(
                css, LEFT + place * step + side * step * 0.42, HEIGHT - BOTTOM - height, step * 0.38, height
            )
        body += Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            LEFT + (place + 0.4) * step, HEIGHT - 4, place + 1
        )
    told = ", ".join(
        f"{place}: {new:.1%} and {old:.1%}"
        for place, (old, new) in enumerate(zip(before, now, strict=True), 1)
    )
    return _svg(f"0 0 {WIDTH:g} {HEIGHT:g}", title, body, "chart", told)


def _svg(box: str, title: str, body: Markup, css: str, told: str) -> Markup:
    return Markup('<svg class="{}" viewBox="{}" role="img"><title>{}. {}</title>{}</svg>').format(
        css, box, title, told, body
    )
