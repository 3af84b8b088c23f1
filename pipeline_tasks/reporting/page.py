"""A night's summary in, one self-contained HTML page out."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from pipeline_tasks.reporting.summary import Summary
from pipeline_tasks.reporting.text import STATES

TEMPLATE = "page.html"


def render(summary: Summary) -> str:
    """Return the page; whatever the sources say is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["count"] = _count
    environment.filters["mebibytes"] = _mebibytes
    names = list(dict.fromkeys(name for values in summary.metrics.values() for name in values))
    page: str = environment.get_template(TEMPLATE).render(night=summary, states=STATES, metric_names=names)
    return page


def _count(value: Any) -> str:
    return "" if value is None else f"{value:,}"


def _mebibytes(value: int) -> str:
    return f"{value / (1 << 20):,.0f} MiB"
