"""Which events leave an item out of a user's lists: `rules.seen` and the source's event types in, since when out."""

from collections.abc import Mapping, Sequence

from pipeline_tasks.evaluation.splits import DAY_SECONDS

EVER = -(1 << 62)  # before any event


def seen_since(seen: Mapping[str, int], event_types: Sequence[str], end: int) -> dict[int, int]:
    """Return, by an event type's number in histories (from 1), the second from which on its events count at `end`.

    Types that are not in `seen` leave nothing out, nor do those that no event has.
    """
    return {
        event_types.index(kind) + 1: end - days * DAY_SECONDS if days else EVER
        for kind, days in seen.items()
        if kind in event_types
    }


def seen_condition(since: Mapping[int, int], kind: str, time: str) -> str:
    """Return the same as a condition in SQL on an event's `kind` and `time`; false where nothing is left out."""
    return " OR ".join(f"({kind} = {each} AND {time} >= {first})" for each, first in since.items()) or "false"
