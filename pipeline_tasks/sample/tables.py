"""The files of items and users: the catalogue and the people come in, lines of JSON and CSV come out."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_tasks.sample import dirt
from pipeline_tasks.sample.catalogue import Catalogue, Changes
from pipeline_tasks.sample.events import csv_lines, csv_value, csv_values, iso_times
from pipeline_tasks.sample.people import COUNTRIES, GENDERS, MEMBERSHIPS, People
from pipeline_tasks.sample.plan import Plan
from pipeline_tasks.sample.texts import item_text

Ints = NDArray[np.int64]

USERS_HEADER = b"user,updated_at,joined_at,age,gender,country,membership\n"
USERS_AT_ONCE = 100_000
ITEMS_AT_ONCE = 2_000


class ItemTable:
    """Every version of every item: the first, one for each change, and the dirty ones.

    A dirty row is a version more, a minute after a clean one; `planted` counts them by kind.
    """

    def __init__(self, plan: Plan, catalogue: Catalogue) -> None:
        self._plan, self._catalogue = plan, catalogue
        n = len(catalogue)
        first = Changes(np.arange(n), catalogue.appeared, catalogue.price)
        item, time, price, available = _versions(first, catalogue.prices, catalogue.availability)
        self._item, self._time, self._price, self._available = item, time, price, available
        self.planted = dirt.shares(len(item), dirt.ROW_SHARE, dirt.ITEM_KINDS)
        chosen = plan.rng(8).permutation(_room_for_more(item, time))[: sum(self.planted.values())]
        kinds = [kind for kind, count in self.planted.items() for _ in range(count)]
        self._faults = dict(zip(chosen.tolist(), kinds, strict=True))
        self.rows = len(item) + len(kinds)

    def lines(self) -> Iterator[bytes]:
        """Yield the table's text, some thousand items at a time, in order of item and time."""
        catalogue = self._catalogue
        bounds = np.searchsorted(self._item, np.arange(len(catalogue) + 1))
        appeared = iso_times(catalogue.appeared).to_pylist()
        for begin in range(0, len(catalogue), ITEMS_AT_ONCE):
            end = min(begin + ITEMS_AT_ONCE, len(catalogue))
            times = iso_times(
                self._time[bounds[begin] : bounds[end]] + 60
            ).to_pylist()  # for the dirty copies
            clean = iso_times(self._time[bounds[begin] : bounds[end]]).to_pylist()
            rows: list[dict[str, Any]] = []
            for item in range(begin, end):
                text = item_text(catalogue, item)
                for place in range(bounds[item], bounds[item + 1]):
                    at = place - bounds[begin]
                    row = self._row(item, place, clean[at], appeared[item], text)
                    rows.append(row)
                    if place in self._faults:
                        rows.append(_spoiled_item(self._faults[place], row, times[at]))
            yield "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()

    def _row(
        self, item: int, place: int, updated: str, appeared: str, text: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "item": self._catalogue.ids[item],
            "updated_at": updated,
            **text,
            "price": float(self._price[place]),
            "appeared_at": appeared,
            "available": bool(self._available[place]),
            "image": image_name(item) if self._plan.images else None,
        }


def image_name(item: int) -> str:
    """Name an item's picture by its number, since an id may hold what a file name may not."""
    return f"images/sku-{item + 1:05d}.png"


def _versions(
    first: Changes, prices: Changes, availability: Changes
) -> tuple[Ints, Ints, NDArray[np.float64], NDArray[np.bool_]]:
    """Merge the changes of price and availability: one row a change, each with both values."""
    none = (np.full(len(part.item), np.nan) for part in (prices, availability))
    item = np.concatenate([first.item, prices.item, availability.item])
    time = np.concatenate([first.time, prices.time, availability.time])
    available = np.concatenate([np.ones(len(first.item)), next(none), availability.value])
    price = np.concatenate([first.value, prices.value, next(none)])
    order = np.lexsort((time, item))
    return item[order], time[order], _filled(price[order]), _filled(available[order]) == 1


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Carry the last known value forward. An item's first row is known: nothing passes between items."""
    known = np.where(np.isnan(values), 0, np.arange(len(values)))
    return values[np.maximum.accumulate(known)]


def _room_for_more(item: Ints, time: Ints) -> Ints:
    """Return the places after which there are at least two minutes to the same item's next version."""
    close = (item[1:] == item[:-1]) & (time[1:] - time[:-1] < 120)
    return np.flatnonzero(~np.append(close, False))


def _spoiled_item(kind: str, row: dict[str, Any], minute_later: str) -> dict[str, Any]:
    """Return a copy of an item's version with one fault."""
    if kind == "duplicate_key":
        return row | {"price": round(row["price"] * 1.1, 2), "title": f"{row['title']} (2)"}
    faults: dict[str, dict[str, Any]] = {
        "empty_item": {"item": ""},
        "long_item": {"item": dirt.EXTRA_ITEMS[1]},
        "unparsable_updated_at": {"updated_at": "last Tuesday"},
        "unparsable_appeared_at": {"appeared_at": "31/02/2026"},
        "negative_price": {"price": -row["price"]},
        "huge_price": {"price": 5e10},
        "unparsable_price": {"price": f"{row['price']:.2f} EUR"},
        "missing_price": {"price": None},
        "missing_title": {"title": None},
        "missing_description": {"description": None},
        "long_title": {"title": (row["title"] + " ") * (2_100 // len(row["title"]) + 1)},
        "unparsable_available": {"available": "perhaps"},
    }
    return row | {"updated_at": minute_later} | faults[kind]


class UserTable:
    """Every version of every user, the dirty ones among them; `planted` counts those by kind.

    Faults of an id and duplicates are rows more; the others stand where the clean value would.
    """

    def __init__(self, plan: Plan, people: People) -> None:
        self._people = people
        self.planted = dirt.shares(len(people), dirt.ROW_SHARE, dirt.USER_KINDS)
        chosen = plan.rng(9).permutation(len(people))
        self._faults: dict[str, Ints] = {}
        for kind, count in self.planted.items():
            self._faults[kind], chosen = chosen[:count], chosen[count:]
        extra = sum(self.planted[kind] for kind in ("empty_user", "long_user", "duplicate_key"))
        self.rows = len(people) + int((people.upgraded > 0).sum()) + extra
        self._ids = csv_values([*people.ids, *dirt.EXTRA_USERS])

    def lines(self) -> Iterator[bytes]:
        """Yield the table's text, a block of users at a time."""
        yield USERS_HEADER
        for begin in range(0, len(self._people), USERS_AT_ONCE):
            block = np.arange(begin, min(begin + USERS_AT_ONCE, len(self._people)))
            again = block[self._people.upgraded[block] > 0]
            twice = self._of(block, "duplicate_key", "empty_user", "long_user")
            user = np.concatenate([block, again, twice])
            version = np.repeat([0, 1, 2], [len(block), len(again), len(twice)])
            order = np.lexsort((version, user))
            yield self._text(user[order], version[order])

    def _of(self, block: Ints, *kinds: str) -> Ints:
        found = np.concatenate([self._faults[kind] for kind in kinds])
        return np.asarray(found[(found >= block[0]) & (found <= block[-1])])

    def _text(self, user: Ints, version: Ints) -> bytes:
        """Write these users' versions: 0 the first, 1 the upgraded one, 2 the copy that is a row too many."""
        people, extra = self._people, version == 2
        shown = user.copy()
        for place, kind in enumerate(("empty_user", "long_user")):
            shown = np.where(extra & np.isin(user, self._faults[kind]), len(people) + place, shown)
        level = people.membership[user] + (version == 1)
        level = np.where(extra & np.isin(user, self._faults["duplicate_key"]), (level + 1) % 3, level)
        ages = pc.cast(pa.array(people.age[user]), pa.string())
        for kind, texts in (("age_out_of_range", ("-3", "212")), ("age_not_a_number", ("thirty", "4O")),
                            ("missing_age", ("",))):  # fmt: skip
            ages = self._with_fault(ages, user, kind, texts)
        columns = [
            self._ids.take(pa.array(shown)),
            iso_times(np.where(version == 1, people.upgraded[user], people.joined[user])),
            self._with_fault(iso_times(people.joined[user]), user, "unparsable_joined_at", ("31/02/2026",)),
            ages,
            csv_values(GENDERS).take(pa.array(people.gender[user])),
            csv_values(COUNTRIES).take(pa.array(people.country[user])),
            self._with_fault(
                csv_values(MEMBERSHIPS).take(pa.array(level)), user, "missing_membership", ("",)
            ),
        ]
        return csv_lines(columns)

    def _with_fault(self, values: pa.Array, user: Ints, kind: str, texts: tuple[str, ...]) -> pa.Array:
        spoiled = pa.array([csv_value(text) for text in texts]).take(pa.array(user % len(texts)))
        return pc.if_else(pa.array(np.isin(user, self._faults[kind])), spoiled, values)
