"""A night as one self-contained page: a Summary in, HTML out."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline_tasks.reporting.summary import Summary

TEMPLATES = Path(__file__).parent


def render(night: Summary) -> str:
    """Return the page; everything that came from the data is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("night.html.j2").render(night=night)
