"""The night's rules by index: settings, training tables and run date in, what each table's lists must hold to out."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_tasks.errors import Refused
from pipeline_tasks.evaluation.splits import DAY_SECONDS
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.models.data import Histories
from pipeline_tasks.ranking.barred import Barred
from pipeline_tasks.ranking.blocks import Further
from pipeline_tasks.ranking.lists import EVERYBODY, PopularLists
from pipeline_tasks.ranking.ruled import Pinned, TableRules, Tally, content_likeness, thinned
from pipeline_tasks.ranking.selection import Cap, Rules, least_new
from pipeline_tasks.settings import Settings
from pipeline_tasks.settings.rules import Boost, ListTable, Pin
from pipeline_tasks.training_data import MADE_BY, TrainingData

LEVELS = " > "
# of a group the popular list that short lists are refilled from holds so many times its cap, since a user may not
# have all of them; and so many times the new items that are wanted
SPARE_TIMES = 2
BLOCKED = "training/blocked"
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Blocks:
    """What is blocked, by index: items for everybody, users for every item, and pairs."""

    items: Ints
    users: Ints
    pairs: tuple[Ints, Ints]


@dataclass(frozen=True)
class NightRules:
    """The rules of one night; `data` knows as available what rules leave to be had."""

    settings: Settings
    run_date: date
    data: TrainingData
    blocks: Blocks
    kept_out: dict[str, dict[str, Any]]
    tables: dict[str, TableRules] = field(default_factory=dict)

    def barred(self, histories: Histories) -> Barred:
        """Return what each row's user may not have: seen, as the settings say, or blocked for this user."""
        keep = np.full(len(histories.items), self.settings.recommend.exclude_seen)
        for kind, days in self.settings.rules.seen.items():
            if kind in self.data.event_types:
                of_kind = histories.types == 1 + self.data.event_types.index(kind)
                since = self.data.holdout.end - days * DAY_SECONDS if days else np.iinfo(np.int64).min
                keep |= of_kind & (histories.times >= since)
        row, item = histories.row_of_event[keep], histories.items[keep]
        row_of = np.full(len(self.data.user_ids) + 1, -1, np.int64)
        row_of[histories.users] = np.arange(len(histories))
        users, items = self.blocks.pairs
        known = row_of[users] >= 0
        seen = Barred.of_pairs(len(histories), row, item)
        both = Barred.of_pairs(
            len(histories), np.append(row, row_of[users[known]]), np.append(item, items[known])
        )
        counts = [int(self.data.available[each.items].sum()) for each in (seen, both)]
        self.kept_out["seen"] = {"removed": counts[0], "of": "pairs"}
        self.kept_out["blocked"] = {"removed": counts[1] - counts[0], "of": "pairs"}
        return both

    def top_n(
        self, order: NDArray[np.int64], barred: Barred, popular: PopularLists, names: Sequence[str]
    ) -> TableRules:
        """Return the rules of the lists of the users `order`, numbered from 0; `names` are of lists, for reasons."""
        wanted, rules = self.settings.recommend, self.settings.rules
        own = self._rules("top_n", wanted.n, wanted.n + wanted.spares)
        if rules.diversity:
            alike = content_likeness(self.data.catalogue.content, self.groups("category", 0))
            own = replace(own, diversity=rules.diversity, likeness=alike)
        in_segment = {
            pin.list: np.array([not pin.list or pin.list in self.data.segments[user] for user in order], bool)
            for pin in self._active("top_n")
        }
        pins = self._pins("top_n", lambda pin: in_segment[pin.list], len(order), names)
        fallback = thinned(popular.items[0], own, SPARE_TIMES, rules.candidates)
        if own.new is not None:
            newest = popular.items[0][own.new[popular.items[0]]]
            newest = newest[: SPARE_TIMES * int(own.needed[-1])]
            fallback = np.concatenate([fallback, newest[~np.isin(newest, fallback)]])
        return self._table(own, wanted.n, wanted.n + wanted.spares, barred, pins, fallback)

    def further(self) -> Further | None:
        """Return what is ranked besides the candidates: new items, where a share of them is promised."""
        wanted = self.settings.recommend
        own = self._rules("top_n", wanted.n, wanted.n + wanted.spares)
        if own.new is None:
            return None
        return Further(own.new & self.data.available, SPARE_TIMES * int(own.needed[-1]))

    def similar(self, items: NDArray[np.int64]) -> TableRules | None:
        """Return the rules of the items' neighbours, None where there are none."""
        places = self.settings.recommend.similar + self.settings.recommend.spares
        names = {name: row for row, name in enumerate(self.data.item_ids.take(pa.array(items)).to_pylist())}

        def lists(pin: Pin) -> NDArray[np.bool_]:
            every = not pin.list
            return (
                np.arange(len(items)) == names.get(pin.list, -1) if not every else np.ones(len(items), bool)
            )

        own = self._rules("similar_items", self.settings.recommend.similar, places)
        pins = self._pins("similar_items", lists, len(items), ())
        if not (own.caps or own.lifts is not None or pins):
            return None
        itself = Barred.of_pairs(len(items), np.arange(len(items)), items.astype(np.int32))
        return self._table(own, self.settings.recommend.similar, places, itself, pins)

    def popular(self, names: Sequence[str]) -> TableRules:
        """Return the rules of the popular lists called `names`."""
        wanted = self.settings.recommend
        places = wanted.popular + wanted.spares
        own = self._rules("popular", wanted.popular, places)

        def lists(pin: Pin) -> NDArray[np.bool_]:
            return np.array([pin.list in ("", name) for name in names], bool)

        nothing = Barred(np.zeros(len(names) + 1, np.int64), np.zeros(0, np.int32))
        return self._table(own, wanted.popular, places, nothing, self._pins("popular", lists, len(names), ()))

    def groups(self, attribute: str, level: int) -> Ints:
        """Return (n_items + 1,): the number of each item's category or brand, 0 where it has none."""
        values = self._attribute(attribute)
        if level:
            values = pc.binary_join(pc.list_slice(pc.split_pattern(values, LEVELS), 0, level), LEVELS)
        codes = pc.if_else(pc.equal(values, ""), None, values).dictionary_encode().combine_chunks().indices
        return np.concatenate([[0], pc.fill_null(pc.add(codes, 1), 0).to_numpy()]).astype(np.int32)

    @cached_property
    def places_of_items(self) -> dict[str, int]:
        """Return the index of each item by the source's id."""
        return {name: index for index, name in enumerate(self.data.item_ids.to_pylist()) if index}

    def _table(
        self,
        own: Rules,
        n: int,
        places: int,
        barred: Barred,
        pins: tuple[list[Pinned], int],
        fallback: Ints | None = None,
    ) -> TableRules:
        none = np.zeros(0, np.int32)
        return TableRules(
            own,
            max(1, min(n, places)),
            places,
            barred,
            pins[0],
            none if fallback is None else fallback,
            self.data.catalogue.n_items,
            Tally(missing=pins[1]),
        )

    def _rules(self, table: ListTable, n: int, places: int) -> Rules:
        rules, level = self.settings.rules, self.settings.rules.category_level
        caps = [
            Cap(f"{name}_cap", self.groups(name, level if name == "category" else 0), most)
            for name, most in rules.cap(table).items()
        ]
        boosts = [each for each in rules.boosts if table in each.tables and each.holds(self.run_date)]
        lifts = sum((self._boosted(each) * each.places for each in boosts), np.zeros(1, np.int64))
        share = rules.new_items.share if table == "top_n" else 0.0
        return Rules(
            caps=caps,
            lifts=lifts if len(lifts) > 1 else None,
            new=self._new() if share else None,
            needed=least_new(share, n, places),
        )

    def _new(self) -> NDArray[np.bool_]:
        first = self.data.items["first_seen"]
        since = self.data.holdout.end - self.settings.rules.new_items.days * DAY_SECONDS
        new = pc.fill_null(pc.greater_equal(first, since), False).to_numpy()
        return np.concatenate([[False], new])

    def _boosted(self, boost: Boost) -> NDArray[np.bool_]:
        fits = np.ones(self.data.items.num_rows, bool)
        if boost.item is not None:
            fits &= pc.equal(self.data.items["item_id"], boost.item).to_numpy()
        if boost.brand is not None:
            fits &= pc.fill_null(pc.equal(self._attribute("brand"), boost.brand), False).to_numpy()
        if boost.category is not None:
            path = self._attribute("category")
            below = pc.or_(pc.equal(path, boost.category), pc.starts_with(path, boost.category + LEVELS))
            fits &= pc.fill_null(below, False).to_numpy()
        return np.concatenate([[False], fits])

    def _active(self, table: ListTable) -> list[Pin]:
        """Return the table's pins of the night, those of single lists before those of all."""
        pins = [pin for pin in self.settings.rules.pins if table in pin.tables and pin.holds(self.run_date)]
        return sorted(pins, key=lambda pin: (not pin.list, pin.rank))

    def _pins(
        self, table: ListTable, lists: Any, rows: int, names: Sequence[str]
    ) -> tuple[list[Pinned], int]:
        """Return the pins whose item can be had, and how many places the others would have had."""
        found, missing = [], 0
        for pin in self._active(table):
            where, item = lists(pin), self.places_of_items.get(pin.item, 0)
            if self.data.available[item]:
                label = pin.list or EVERYBODY
                found.append(Pinned(item, pin.rank, where, names.index(label) if label in names else 0))
            else:
                missing += int(where.sum())
        return found, missing

    def _attribute(self, name: str) -> pa.ChunkedArray:
        if name not in self.data.items.column_names:
            raise Refused(
                f"training/items of {self.run_date} has no {name}, which a rule asks for",
                "run dataset for this night again",
            )
        return self.data.items[name]


def read_rules(settings: Settings, store: Store, run_date: date, data: TrainingData) -> NightRules | None:
    """Return the night's rules, None where the settings declare none; raises Refused where blocks are not in the lake."""
    if not settings.rules.declared:
        return None
    blocks = _blocks(settings, store, run_date, data)
    available = data.available.copy()
    available[blocks.items] = False
    kept_out = {
        "available": {"removed": int((~data.available[1:]).sum()), "of": "items"},
        "blocked_items": {"removed": int((data.available & ~available).sum()), "of": "items"},
        "blocked_users": {"removed": len(blocks.users), "of": "users"},
    }
    return NightRules(settings, run_date, replace(data, available=available), blocks, kept_out)


def _blocks(settings: Settings, store: Store, run_date: date, data: TrainingData) -> Blocks:
    users, items = np.zeros(0, np.int32), np.zeros(0, np.int32)
    if settings.rules.blocked:
        table = tables.read_table(store, layout.night(BLOCKED, run_date), MADE_BY)
        users, items = (table[name].to_numpy() for name in ("user_index", "item_index"))
    own_items = pc.index_in(pa.array(settings.rules.blocked_items, pa.string()), value_set=data.item_ids)
    own_users = pc.index_in(
        pa.array(settings.rules.blocked_users, pa.string()), value_set=pa.array(data.user_ids, pa.string())
    )
    return Blocks(
        items=np.unique(np.append(items[users == 0], own_items.drop_null().to_numpy())).astype(np.int32),
        users=np.unique(np.append(users[items == 0], own_users.drop_null().to_numpy() + 1)).astype(np.int32),
        pairs=(users[(users > 0) & (items > 0)], items[(users > 0) & (items > 0)]),
    )
