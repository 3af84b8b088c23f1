"""What is drawn on the pages: a night's report.json, or many nights' lines, in; figures and tiles out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from markupsafe import Markup

from pipeline_tasks.reporting import charts, trends
from pipeline_tasks.reporting.charts import Series
from pipeline_tasks.reporting.trends import Line

SHARE, METRIC, COUNT, TENTHS = "{:.1%}", "{:.3f}", "{:,.0f}", "{:.1f}"
# a first night has so many times the events of any other
DWARFED = 5


@dataclass(frozen=True)
class Tile:
    """A key figure: what it is, its value, what to know of it, and how it went over the nights."""

    label: str
    value: str
    note: str
    spark: Markup


@dataclass(frozen=True)
class Figure:
    """A chart with its name and the keys (css class, text) of its colours."""

    name: str
    chart: Markup
    keys: tuple[tuple[str, str], ...] = ()


def nights_of(content: Mapping[str, Any]) -> list[Line]:
    """Return the earlier nights' lines and the night's own."""
    known = {each.name for each in fields(Line)}
    earlier = [
        Line(**{name: value for name, value in each.items() if name in known})
        for each in content.get("trend", ())
    ]
    return _settled([*earlier, trends.line(content)])


def tiles(nights: Sequence[Line]) -> list[Tile]:
    """Return the key figures of the last night."""
    last, before = nights[-1], nights[-2] if len(nights) > 1 else None

    def tile(label: str, field: str, form: str, note: str = "") -> Tile | None:
        value = getattr(last, field)
        if value is None:
            return None
        then = getattr(before, field) if before else None
        return Tile(
            label,
            form.format(value),
            note or _change(value, then, form),
            charts.spark([getattr(each, field) for each in nights]),
        )

    found = [
        tile("NDCG of who serves, on the holdout", "ndcg", METRIC, _ends(last.ndcg_interval)),
        tile("NDCG of the lists that were live", "online", METRIC, _ends(last.online_interval)),
        tile("users with a list", "users", COUNT),
        tile("clean events that arrived", "events", COUNT),
        tile("events kept out", "kept_out_share", SHARE),
    ]
    if last.seconds is not None:
        peak = (
            f"at most {(last.peak_rss_bytes or 0) / (1 << 30):.1f} GiB in one stage"
            if last.peak_rss_bytes
            else ""
        )
        spark = charts.spark([each.seconds for each in nights])
        found.append(Tile("time of all stages", duration(last.seconds), peak, spark))
    return [each for each in found if each]


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def over_nights(nights: Sequence[Line]) -> list[Figure]:
    """Return the trends; those that nothing is known of are left out."""
    nights = _settled(list(nights))
    days = [each.run_date for each in nights]
    of = {each.name: [getattr(night, each.name) for night in nights] for each in fields(Line)}

    def figure(name: str, form: str, *series: Series) -> Figure:
        keys = tuple((each.css, each.name) for each in series) if len(series) > 1 else ()
        return Figure(name, charts.lines(days, series, name, form), keys)

    found = [
        figure(
            "NDCG on the holdout",
            METRIC,
            Series("who serves", of["ndcg"], of["ndcg_interval"]),
            Series("best baseline", of["baseline"], css="b"),
        ),
        figure(
            "Live lists on the day: NDCG",
            METRIC,
            Series("live lists", of["online"], of["online_interval"]),
            Series("popular items", of["popular"], css="b"),
        ),
        figure(
            "Live lists on the day: recall",
            METRIC,
            Series("live lists", of["online_recall"], of["online_recall_interval"]),
        ),
        figure("Users with a list", COUNT, Series("users", of["users"])),
        figure("Clean events that arrived", COUNT, Series("events", of["events"])),
        figure("Share of events kept out", SHARE, Series("kept out", of["kept_out_share"])),
        figure(
            "Minutes of all stages",
            TENTHS,
            Series("minutes", [None if each is None else each / 60 for each in of["seconds"]]),
        ),
        figure(
            "GiB at most in one stage",
            TENTHS,
            Series("GiB", [None if each is None else each / (1 << 30) for each in of["peak_rss_bytes"]]),
        ),
    ]
    return [each for each in found if each.chart]


def _settled(nights: list[Line]) -> list[Line]:
    """Return the lines, a first night's events unknown where they dwarf the others': it takes in all there ever was."""
    later = [each.events for each in nights[1:] if each.events]
    if later and (nights[0].events or 0) > DWARFED * max(later):
        return [replace(nights[0], events=None), *nights[1:]]
    return nights


def _change(value: float, then: float | None, form: str) -> str:
    if then is None:
        return ""
    if form == SHARE:
        return f"{100 * (value - then):+.1f} points on the night before"
    return f"{(value - then) / then:+.1%} on the night before" if then else ""


def _ends(ends: Sequence[float] | None) -> str:
    return f"interval {ends[0]:.3f} to {ends[1]:.3f}" if ends else ""
