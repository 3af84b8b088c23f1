"""What people do in a day: the shelf and a block of users come in, their events come out.

A session starts with a category after the user's taste, or goes on from the last item of the one before;
then each view leads, more often than not, to one of the likely followers of the item before.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.sample.catalogue import FOLLOWER_WEIGHTS, Catalogue, next_category
from pipeline_tasks.sample.events import CART, FAVOURITE, PURCHASE, VIEW, Events
from pipeline_tasks.sample.people import People
from pipeline_tasks.sample.plan import DAY_SECONDS, Plan
from pipeline_tasks.sample.shelf import Shelf

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MAX_VIEWS = 12
MAX_SESSIONS = 3  # of one user and day
SESSION_APART_SECONDS = 3_600
REMEMBERED = 12  # items that a user does not go back to
CONTINUES = 0.45  # sessions that go on from the last item of the one before
FOLLOWS = 0.65  # views that go to a likely follower of the item before
MOVES_ON = 0.25  # other views that go to the errand's next category
MAIN_TASTE = 0.85
FAVOURITES, CARTS, PURCHASES = 0.07, 0.16, 0.45
LATE = 0.03  # sessions whose events arrive one or two days later
LATE_TWO_DAYS = 0.4
FIRST_VISIT = 0.7  # new users who look around at once

WEEKDAYS = (0.92, 0.90, 0.92, 0.95, 1.02, 1.16, 1.13)
_HOURS = (2, 1, 0.6, 0.4, 0.5, 1, 2, 4, 6, 7, 8, 9, 10, 9, 8, 8, 9, 10, 12, 14, 15, 13, 9, 5)
_WEEKEND_HOURS = (3, 2, 1, 0.6, 0.5, 0.6, 1, 2, 4, 7, 10, 11, 11, 11, 11, 11, 11, 11, 12, 13, 13, 11, 8, 5)


class Memory:
    """What every user looked at last, over all days: `recent` holds the newest items first, -1 for none."""

    def __init__(self, users: int, items: int) -> None:
        self.recent = np.full((users, max(1, min(REMEMBERED, items // 4))), -1, np.int32)

    def add(self, users: Ints, items: Ints) -> None:
        """Remember one item for each of different `users`."""
        self.recent[users] = np.concatenate([items[:, None], self.recent[users, :-1]], axis=1)


@dataclass(frozen=True)
class _Sessions:
    """Sessions of different users: unix seconds of the first view, seconds between views, views at most."""

    user: Ints
    start: Ints
    gaps: Ints
    length: Ints

    def take(self, rows: NDArray[np.bool_]) -> "_Sessions":
        return _Sessions(self.user[rows], self.start[rows], self.gaps[rows], self.length[rows])

    def __len__(self) -> int:
        return len(self.user)


class Behaviour:
    """Everybody's behaviour, day by day; remembers between the days what was looked at."""

    def __init__(self, plan: Plan, catalogue: Catalogue, people: People) -> None:
        self._plan, self._catalogue, self._people = plan, catalogue, people
        self._memory = Memory(len(people), len(catalogue))
        self._next_category = next_category()

    def day(self, day: int, block: slice, shelf: Shelf, rng: np.random.Generator) -> Events:
        """Return the events of day number `day` by the users of `block`."""
        parts = []
        for sessions in self._sessions(day, block, rng):
            delay = self._delays(len(sessions), rng)
            user, item, time, end = self._views(sessions, shelf, rng)
            parts.append(self._events(sessions.user[user], item, time, end[user], delay[user], shelf, rng))
        return Events.joined(parts)

    def _sessions(self, day: int, block: slice, rng: np.random.Generator) -> list[_Sessions]:
        """Draw the day's sessions: a list of at most MAX_SESSIONS, each with every user once at most."""
        people, midnight = self._people, self._plan.start + day * DAY_SECONDS
        weekday = self._plan.day(day).weekday()
        rate = people.sessions[block] * WEEKDAYS[weekday] * (people.joined_day[block] < day)
        count = np.minimum(rng.poisson(rate), MAX_SESSIONS)
        newcomer = (people.joined_day[block] == day) & (people.sessions[block] > 0)
        count = np.where(newcomer & (rng.random(len(count)) < FIRST_VISIT), 1, count)
        user = np.repeat(np.arange(block.start, block.start + len(count)), count)
        gaps = np.clip(rng.lognormal(3.7, 0.6, (len(user), MAX_VIEWS)), 20, 180).astype(np.int64)
        length = np.minimum(rng.geometric(0.24, len(user)), MAX_VIEWS)
        hours = np.cumsum(_WEEKEND_HOURS if weekday >= 5 else _HOURS)
        hour = np.searchsorted(hours, rng.random(len(user)) * hours[-1], side="right")
        start = midnight + hour * 3_600 + rng.integers(0, 3_600, len(user))
        start = np.where(
            people.joined_day[user] == day, people.joined[user] + rng.integers(20, 600, len(user)), start
        )
        # A session ends before midnight, so that its events belong to one day.
        duration = np.where(np.arange(MAX_VIEWS) < length[:, None] - 1, gaps, 0).sum(axis=1)
        start = np.minimum(start, midnight + DAY_SECONDS - 60 - duration)
        return _by_turn(_Sessions(user, start, gaps, length))

    def _views(
        self, sessions: _Sessions, shelf: Shelf, rng: np.random.Generator
    ) -> tuple[Ints, Ints, Ints, Ints]:
        """Walk through all sessions at once, view by view.

        Returns for each view its session's place, its item and its time, and for each session its last time.
        """
        last, category = self._beginnings(sessions, shelf, rng)
        end, live = sessions.start.copy(), np.arange(len(sessions))
        found: list[tuple[Ints, Ints, Ints]] = []
        for view in range(MAX_VIEWS):
            live = live[sessions.length[live] > view]
            follows = (last[live] >= 0) & ((rng.random(len(live)) < FOLLOWS) | (view == 0))
            item = self._choose(sessions.user[live], last[live], category[live], follows, shelf, rng)
            live, item = live[item >= 0], item[item >= 0]
            if not len(live):
                break
            self._memory.add(sessions.user[live], item)
            last[live], end[live] = item, sessions.start[live] + sessions.gaps[live, :view].sum(axis=1)
            moves = rng.random(len(live)) < MOVES_ON
            here = self._catalogue.category[item]
            category[live] = np.where(moves, self._next_category[here], here)
            found.append((live, item, end[live]))
        if not found:
            return (*(np.empty(0, np.int64) for _ in range(3)), end)  # type: ignore[return-value]
        place, items, times = (np.concatenate(column) for column in zip(*found, strict=True))
        return place, items, times, end

    def _beginnings(self, sessions: _Sessions, shelf: Shelf, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Return for each session the item that it goes on from (or -1) and the category to look in."""
        people, n = self._people, len(sessions)
        before = self._memory.recent[sessions.user, 0].astype(np.int64)
        before = np.where(rng.random(n) < CONTINUES, before, -1)
        main = rng.random(n) < MAIN_TASTE
        cluster = np.where(main, people.cluster[sessions.user], people.second_cluster[sessions.user])
        hour = (sessions.start % DAY_SECONDS) // 3_600
        row, width = cluster * 24 + hour, shelf.interest.shape[2]
        # Each row of `interest` runs from 0 to 1: with the row's number added, all rows are one sorted list.
        flat = (shelf.interest.reshape(-1, width) + np.arange(len(shelf.interest) * 24)[:, None]).ravel()
        drawn = np.searchsorted(flat, row + rng.random(n), side="right") - row * width
        taste = np.clip(drawn, 0, width - 1)
        return before, np.where(before >= 0, self._catalogue.category[before], taste)

    def _choose(
        self,
        user: Ints,
        last: Ints,
        category: Ints,
        follows: NDArray[np.bool_],
        shelf: Shelf,
        rng: np.random.Generator,
    ) -> Ints:
        """Choose an item for each user, or -1: a follower of `last`, or one of `category` that suits the purse."""
        recent = self._memory.recent[user]
        followers = self._catalogue.followers[last]
        liking = np.log(FOLLOWER_WEIGHTS) + shelf.momentum[followers] + rng.gumbel(size=followers.shape)
        follower = _best(followers, liking, shelf.on_sale[followers], recent)
        low, high = shelf.bounds[category][:, None], shelf.bounds[category + 1][:, None]
        drawn = shelf.mass[low] + rng.random((len(user), 3)) * (shelf.mass[high] - shelf.mass[low])
        place = np.clip(np.searchsorted(shelf.mass, drawn, side="right") - 1, low, np.maximum(high - 1, low))
        found = shelf.order[np.minimum(place, len(shelf.order) - 1)]
        people = self._people
        distance = np.abs(shelf.expensive[found] - people.price_level[user][:, None])
        liking = -people.price_sensitivity[user][:, None] * distance + 0.3 * rng.gumbel(size=found.shape)
        other = _best(found, liking, shelf.on_sale[found] & (high > low), recent)
        return np.where(follows & (follower >= 0), follower, other)

    def _events(
        self,
        user: Ints,
        item: Ints,
        time: Ints,
        end: Ints,
        delay: Ints,
        shelf: Shelf,
        rng: np.random.Generator,
    ) -> Events:
        """Return each view, and the favourites, carts and purchases that follow from some of them."""
        people, n = self._people, len(user)
        liked = rng.random(n) < FAVOURITES
        carted = rng.random(n) < CARTS * np.minimum(people.buying[user], 2.5)
        too_dear = np.maximum(shelf.expensive[item] - people.price_level[user], 0)
        bought = carted & (
            rng.random(n) < PURCHASES * np.exp(-0.5 * people.price_sensitivity[user] * too_dear)
        )
        amount = np.minimum(rng.geometric(0.8, n), 3)
        # A basket is paid as a whole, after the session's last view.
        moments = ((VIEW, np.ones(n, bool), time), (FAVOURITE, liked, time + rng.integers(4, 9, n)),
                   (CART, carted, time + rng.integers(9, 19, n)), (PURCHASE, bought, end + 40))  # fmt: skip
        # Midnight of the arrival's day for late ones (then the hour), else a few seconds after the event.
        prompt = rng.integers(0, 4, n)
        return Events.joined(
            [
                Events.make(
                    user[rows], item[rows], event, at[rows],
                    np.where(delay > 0, time - time % DAY_SECONDS + delay, at + prompt)[rows],
                    amount[rows] if event == PURCHASE else None,
                )
                for event, rows, at in moments
            ]
        )  # fmt: skip

    def _delays(self, sessions: int, rng: np.random.Generator) -> Ints:
        """Return 0, or for sessions without network the seconds from midnight to their events' arrival."""
        late = rng.random(sessions) < LATE
        days = 1 + (rng.random(sessions) < LATE_TWO_DAYS)
        return np.where(late, days * DAY_SECONDS + rng.integers(1_800, 12 * 3_600, sessions), 0)


def _best(items: Ints, liking: Floats, allowed: NDArray[np.bool_], recent: NDArray[np.int32]) -> Ints:
    """Return in each row the best liked item that is allowed and not recent, or -1."""
    allowed = allowed & ~(items[:, :, None] == recent[:, None, :]).any(axis=2)
    best = np.argmax(np.where(allowed, liking, -np.inf), axis=1)
    rows = np.arange(len(items))
    return np.where(allowed[rows, best], items[rows, best], -1)


def _by_turn(sessions: _Sessions) -> list[_Sessions]:
    """Leave out sessions within an hour after another of the same user; split the rest by their turn."""
    order = np.lexsort((sessions.start, sessions.user))
    sessions = _Sessions(*(getattr(sessions, name)[order] for name in ("user", "start", "gaps", "length")))
    same = sessions.user[1:] == sessions.user[:-1]
    close = same & (sessions.start[1:] - sessions.start[:-1] < SESSION_APART_SECONDS)
    sessions = sessions.take(np.concatenate([[True], ~close])[: len(sessions)])
    turn = np.arange(len(sessions)) - np.searchsorted(sessions.user, sessions.user)
    return [sessions.take(turn == number) for number in range(MAX_SESSIONS) if (turn == number).any()]
