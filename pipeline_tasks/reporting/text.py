"""A night's summary in, a text for a terminal out."""

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline_tasks.reporting.people import Person
from pipeline_tasks.reporting.summary import Quarantined, Summary

STATES = {
    "live": "is live",
    "unchanged": "is live, unchanged",
    "past": "is live no more",
    "unpublished": "is ready, and not published",
    "held": "is HELD, and not live",
    "failed": "FAILED",
}
REASONS_SHOWN = 6
PLACES_SHOWN = 10
WIDTH = 44


def render(summary: Summary) -> str:
    """Return the closing summary of a night."""
    blocks = [
        _head(summary),
        _serving(summary),
        _online(summary.online),
        _quarantine(summary.quarantine),
        _listed("Broken rules", summary.failures),
        _listed("Warnings", summary.warnings),
        _listed("Not shown", summary.notes),
        _places(summary.places),
        *(_user(each) for each in summary.people),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, blocks) if lines)


def _head(summary: Summary) -> Iterator[str]:
    yield f"Night {summary.run_date} {STATES.get(summary.state, summary.state)}: {summary.verdict}"
    if summary.state in ("held", "failed"):
        yield f"Consumers still read {summary.live}." if summary.live else "Nothing is published yet."
    if summary.users is not None:
        rows = ", ".join(f"{count:,} rows of {table}" for table, count in summary.rows.items())
        yield f"{summary.users:,} users served, N = {summary.n}: {rows}"


def _serving(summary: Summary) -> Iterator[str]:
    if summary.serving:
        yield f"Serving: {summary.serving.get('name')} ({summary.serving.get('model_version')})"
        yield f"  {summary.serving.get('reason')}"
    names = list(dict.fromkeys(name for values in summary.metrics.values() for name in values))
    if names:
        width = max(24, *map(len, summary.metrics))
        yield f"  {'':<{width}}" + "".join(f"{name:>14}" for name in names)
    for model, values in summary.metrics.items():
        yield f"  {model:<{width}}" + "".join(
            f"{values[name]:14.4f}" if name in values else " " * 14 for name in names
        )


def _online(found: dict[str, Any] | None) -> Iterator[str]:
    if found and found["users"]:
        shown = [
            f"{name} {value:.4f} ({low:.4f} to {high:.4f})"
            for name, value in found["metrics"]["live"].items()
            for low, high in [found["intervals"]["live"][name]]
        ]
        yield f"The lists of {found['night']}, judged by what {found['users']:,} users did on {found['day']}"
        yield f"  {', '.join(shown)}"


def _quarantine(tables: Sequence[Quarantined]) -> Iterator[str]:
    if any(each.rows for each in tables):
        yield "Kept out"
    for each in tables:
        if not each.rows:
            continue
        of = f" of {each.rows_in:,} ({each.rows / each.rows_in:.1%})" if each.rows_in else ""
        shown = [f"{reason} {count:,}" for reason, count in each.reasons[:REASONS_SHOWN]]
        more = len(each.reasons) - len(shown)
        yield f"  {each.table}: {each.rows:,}{of}: {', '.join(shown)}{f', and {more} more reasons' if more else ''}"


def _listed(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield title
    for line in lines:
        yield f"  {line}"


def _places(places: dict[str, str]) -> Iterator[str]:
    if places:
        yield "Where"
    for name, place in places.items():
        yield f"  {name:<10}{place}"


def _user(user: Person) -> Iterator[str]:
    yield f"For {_short(user.user_id)}"
    for place in user.places[:PLACES_SHOWN]:
        yield f"  {place.rank:>2}  {_short(place.title):<{WIDTH}}  {_short(place.why)}"
    if len(user.places) > PLACES_SHOWN:
        yield f"      and {len(user.places) - PLACES_SHOWN} more"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= WIDTH else plain[: WIDTH - 1] + "…"
