"""Dirty rows of every kind that the contracts name: clean rows come in, spoiled copies of some come out."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.contracts import MAX_ID_CHARACTERS
from pipeline_tasks.sample.events import AMOUNTS, EVENTS, ODD_TIMES, PURCHASE, VIEW, Events
from pipeline_tasks.sample.people import People
from pipeline_tasks.sample.plan import DAY_SECONDS, Plan
from pipeline_tasks.sample.shelf import Shelf

Ints = NDArray[np.int64]

INTERACTION_KINDS = (
    "empty_user", "long_user", "empty_item", "long_item", "unknown_item", "unknown_event", "unparsable_time",
    "missing_time", "future_time", "negative_amount", "huge_amount", "amount_not_a_number", "exact_duplicate",
    "near_duplicate",
)  # fmt: skip
ITEM_KINDS = (
    "empty_item", "long_item", "duplicate_key", "unparsable_updated_at", "unparsable_appeared_at",
    "negative_price", "huge_price", "unparsable_price", "missing_price", "missing_title", "missing_description", "long_title",
    "unparsable_available",
)  # fmt: skip
USER_KINDS = (
    "empty_user", "long_user", "duplicate_key", "unparsable_joined_at", "age_out_of_range",
    "age_not_a_number", "missing_age", "missing_membership",
)  # fmt: skip

EVENT_SHARE = 0.012  # of the clean events, bots not counted
BOT_SHARE = 0.011
EVENTS_PER_SESSION = 3.7  # about, of the sessions that the users' rates promise
BOT_EVENTS = 650  # in one hour
ROW_SHARE = 0.02  # of items and users

LONG_ID = "x" * (MAX_ID_CHARACTERS + 100)
# What stands behind the last user's and the last item's id in the lists of ids.
EXTRA_USERS = ("", f"u-{LONG_ID}")
EXTRA_ITEMS = ("", f"sku-{LONG_ID}", *(f"sku-gone-{number:02d}" for number in range(1, 13)))
_NOT_DECLARED = range(PURCHASE + 1, len(EVENTS))
_NEGATIVE = (AMOUNTS.index("-1"), AMOUNTS.index("-2"))
_NO_NUMBER = (AMOUNTS.index("two"), AMOUNTS.index("1,5"), AMOUNTS.index("n/a"))
_HUGE = (AMOUNTS.index("1e12"), AMOUNTS.index("2500000000"))
_MISSING_TIME = 1 + ODD_TIMES.index("")


def shares(rows: int, share: float, kinds: Sequence[str]) -> dict[str, int]:
    """Split `share` of `rows` over the kinds as evenly as whole numbers allow; very few rows get none."""
    each = rows * share / len(kinds)
    return {kind: int(each + (place + 0.5) / len(kinds)) for place, kind in enumerate(kinds)}


@dataclass
class EventDirt:
    """Spoils events day by day so that each kind's share holds over the days together; `planted` counts."""

    plan: Plan
    clean: int = 0
    planted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(INTERACTION_KINDS, 0))

    def day(self, day: int, events: Events) -> Events:
        """Return the dirty rows to add to the clean `events` of day number `day`."""
        rng = self.plan.rng(5, day)
        self.clean += len(events)
        due = shares(self.clean, EVENT_SHARE, INTERACTION_KINDS)
        wanted = np.array([due[kind] - self.planted[kind] for kind in INTERACTION_KINDS])
        prompt = np.flatnonzero(
            (events.arrived - events.time < 60) & (events.time % DAY_SECONDS < DAY_SECONDS - 300)
        )
        chosen = rng.permutation(prompt)[: wanted.sum()]
        kinds = rng.permutation(np.repeat(np.arange(len(wanted)), wanted))[: len(chosen)]
        parts = []
        for number, kind in enumerate(INTERACTION_KINDS):
            source = events.take(chosen[kinds == number])
            self.planted[kind] += len(source)
            parts.append(self._spoiled(kind, source, rng))
        return Events.joined(parts)

    def _spoiled(self, kind: str, events: Events, rng: np.random.Generator) -> Events:
        """Return a copy of `events` with one fault each; but for duplicates at a moment of its own."""
        n, users, items = len(events), self.plan.users, self.plan.items
        if kind == "exact_duplicate":
            return events
        later = np.ones(n, np.int64) if kind == "near_duplicate" else rng.integers(100, 200, n)
        events = replace(events, time=events.time + later, arrived=events.arrived + later)
        match kind:
            case "near_duplicate":
                return events
            case "empty_user" | "long_user":
                return replace(events, user=np.full(n, users + (kind == "long_user"), np.int32))
            case "empty_item" | "long_item":
                return replace(events, item=np.full(n, items + (kind == "long_item"), np.int32))
            case "unknown_item":
                return replace(events, item=(items + rng.integers(2, len(EXTRA_ITEMS), n)).astype(np.int32))
            case "unknown_event":
                return replace(events, event=rng.choice(_NOT_DECLARED, n).astype(np.int8), amount=_none(n))
            case "future_time":
                return replace(events, time=events.time + rng.integers(60, 200, n) * DAY_SECONDS)
            case "unparsable_time":
                return replace(events, odd_time=rng.integers(1, _MISSING_TIME, n).astype(np.int8))
            case "missing_time":
                return replace(events, odd_time=np.full(n, _MISSING_TIME, np.int8))
        values = {"negative_amount": _NEGATIVE, "huge_amount": _HUGE, "amount_not_a_number": _NO_NUMBER}[kind]
        return replace(
            events, event=np.full(n, PURCHASE, np.int8), amount=rng.choice(values, n).astype(np.int8)
        )


def _none(n: int) -> NDArray[np.int8]:
    return np.zeros(n, np.int8)


@dataclass(frozen=True)
class Bots:
    """Which users behave like a machine, each in one hour (unix seconds of its beginning)."""

    user: Ints
    hour: Ints

    @property
    def events(self) -> int:
        return len(self.user) * BOT_EVENTS

    def day(self, plan: Plan, day: int, shelf: Shelf) -> Events:
        """Return the day's bot events: views of everything on sale, every five seconds."""
        rng = plan.rng(6, day)
        on_sale = np.flatnonzero(shelf.on_sale)
        parts = []
        for bot in np.flatnonzero((self.hour - plan.start) // DAY_SECONDS == day):
            item = np.resize(rng.permutation(on_sale), BOT_EVENTS)
            time = self.hour[bot] + 60 + 5 * np.arange(BOT_EVENTS)
            parts.append(Events.make(np.full(BOT_EVENTS, self.user[bot]), item, VIEW, time, time + 1))
        return Events.joined(parts)


def choose_bots(plan: Plan, people: People) -> Bots:
    """Choose the bots and their hours: as many as BOT_SHARE of the events to be expected allows."""
    rng = plan.rng(7)
    present = np.clip(plan.days - np.maximum(people.joined_day, 0), 0, plan.days)
    expected = float((people.sessions * present).sum()) * EVENTS_PER_SESSION
    old = np.flatnonzero(people.joined_day < 0)
    count = min(int(expected * BOT_SHARE / BOT_EVENTS), len(old))
    user = np.sort(rng.choice(old, count, replace=False)) if count else np.empty(0, np.int64)
    return Bots(user, plan.start + rng.integers(0, plan.days * 24, count) * 3_600)
