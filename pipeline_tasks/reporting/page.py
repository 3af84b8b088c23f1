"""report.json in, a self-contained HTML page of the night out; many nights' lines in, the page over all of them out.

Nothing on a page but its small pictures comes from elsewhere than report.json, nothing is loaded and no script runs.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from pipeline_tasks.reporting import charts, drift, figures, ruled, strips, verdict
from pipeline_tasks.reporting.people import LOOKED_AT
from pipeline_tasks.reporting.trends import Line

# whatever the locale
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
REASONS_SHOWN = 8


def render(content: Mapping[str, Any], pictures: Mapping[str, str] | None = None) -> str:
    """Return a night's page; whatever the sources say is escaped."""
    nights = figures.nights_of(content)
    page: str = (
        _environment()
        .get_template("night.html")
        .render(
            night=content,
            told=verdict.told(content),
            day=_day(content["run_date"]),
            tiles=figures.tiles(nights),
            trends=figures.over_nights(nights) if len(nights) > 1 else [],
            metric_names=_names(content.get("metrics", {})),
            pictures=pictures or {},
            places_shown=LOOKED_AT,
            reasons_shown=REASONS_SHOWN,
            some=drift.SOME,
            much=drift.MUCH,
        )
    )
    return page


def render_index(nights: Sequence[Line], unreadable: Sequence[str] = ()) -> str:
    """Return the page over all nights (oldest first)."""
    rows = [(each, *verdict.word_of(each.state)) for each in reversed(nights)]
    template = _environment().get_template("nights.html")
    page: str = template.render(
        rows=rows,
        trends=figures.over_nights(nights) if len(nights) > 1 else [],
        notes=unreadable,
        first=nights[0].run_date if nights else "",
        last=nights[-1].run_date if nights else "",
    )
    return page


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(charts=charts, strips=strips)
    environment.filters.update(
        count=_count,
        mebibytes=lambda value: f"{value / (1 << 20):,.0f} MiB",
        share=lambda value: "" if value is None else f"{value:.1%}",
        number=lambda value: "" if value is None else f"{value:.4g}",
        duration=figures.duration,
        effect=ruled.effect,
        shortfall=ruled.shortfall,
        kept=ruled.kept,
        sentence=lambda text: text[:1].upper() + text[1:].rstrip(".") + ".",
        words=lambda text: str(text).replace("_", " "),
    )
    return environment


def _names(metrics: Mapping[str, Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for values in metrics.values() for name in values))


def _day(run_date: str) -> str:
    day = date.fromisoformat(run_date)
    return f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]} {day.year}"


def _count(value: Any) -> str:
    return "" if value is None else f"{value:,}"
