"""The night's rules by index: settings, training tables and run date in, what each table's lists must hold to out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline_tasks.item_attributes import attribute, fits, groups, is_new
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.models.data import Histories
from pipeline_tasks.ranking.barred import Barred
from pipeline_tasks.ranking.blocks import Further
from pipeline_tasks.ranking.lists import EVERYBODY, PopularLists
from pipeline_tasks.ranking.ruled import Pinned, TableRules, content_likeness
from pipeline_tasks.ranking.selection import Cap, Rules, least_new
from pipeline_tasks.seen_events import seen_since
from pipeline_tasks.settings import Settings
from pipeline_tasks.settings.rules import Boost, ListTable, Pin
from pipeline_tasks.training_data import MADE_BY, TrainingData

# new items that are looked at for each that is wanted: caps may hold some of them back
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
        since = seen_since(self.settings.rules.seen, self.data.event_types, self.data.holdout.end)
        for kind, first in since.items():
            keep |= (histories.types == kind) & (histories.times >= first)
        row, item = histories.row_of_event[keep], histories.items[keep]
        row_of = np.full(len(self.data.user_ids) + 1, -1, np.int64)
        row_of[histories.users] = np.arange(len(histories))
        users, items = self.blocks.pairs
        known = row_of[users] >= 0
        seen = Barred.of_pairs(len(histories), row, item)
        both = seen.also(row_of[users[known]], items[known])
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
            alike = content_likeness(
                self.data.catalogue.content, groups(attribute(self.data.items, "category"))
            )
            own = replace(own, diversity=rules.diversity, likeness=alike)
        in_segment = {
            pin.list: np.array([not pin.list or pin.list in self.data.segments[user] for user in order], bool)
            for pin in self.settings.rules.pins_of("top_n", self.run_date)
        }
        pins = self._pins("top_n", lambda pin: in_segment[pin.list], names)
        everybodys = popular.items[0]
        made = self._table(own, wanted.n, wanted.n + wanted.spares, barred, pins)
        newest = everybodys[own.new[everybodys]] if own.new is not None else everybodys[:0]
        newest = newest[: SPARE_TIMES * int(own.needed.max(initial=0))]
        return replace(
            made,
            fallback=everybodys,
            newest=newest[~np.isin(newest, everybodys[: rules.candidates])],
            offers=rules.candidates,
        )

    def further(self) -> Further | None:
        """Return what is ranked besides the candidates: new items, where a share of them is promised."""
        wanted = self.settings.recommend
        own = self._rules("top_n", wanted.n, wanted.n + wanted.spares)
        if own.new is None:
            return None
        return Further(own.new, SPARE_TIMES * int(own.needed.max(initial=0)))

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
        pins = self._pins("similar_items", lists)
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
        return self._table(own, wanted.popular, places, nothing, self._pins("popular", lists))

    def _table(
        self,
        own: Rules,
        n: int,
        places: int,
        barred: Barred,
        pins: list[Pinned],
    ) -> TableRules:
        return TableRules(
            own,
            max(1, min(n, places)),
            places,
            barred,
            pins,
            n_items=self.data.catalogue.n_items,
        )

    def _rules(self, table: ListTable, n: int, places: int) -> Rules:
        rules, level = self.settings.rules, self.settings.rules.category_level
        caps = [
            Cap(f"{name}_cap", groups(attribute(self.data.items, name, level)), most)
            for name, most in rules.cap(table).items()
        ]
        boosts = [each for each in rules.boosts if table in each.tables and each.holds(self.run_date)]
        lifts = sum((self._lifted(each) for each in boosts), np.zeros(1, np.int64))
        share = rules.new_items.share if table == "top_n" else 0.0
        return Rules(
            caps=caps,
            lifts=lifts if len(lifts) > 1 else None,
            new=self._new() if share else None,
            needed=least_new(share, n, places),
        )

    def _new(self) -> NDArray[np.bool_]:
        days = self.settings.rules.new_items.days
        return np.append(False, is_new(self.data.items, self.data.holdout.end, days)) & self.data.available

    def _lifted(self, boost: Boost) -> NDArray[np.int64]:
        found = fits(self.data.items, item=boost.item, category=boost.category, brand=boost.brand)
        return np.append(0, found * boost.places).astype(np.int64)

    def _pins(
        self, table: ListTable, lists: Callable[[Pin], NDArray[np.bool_]], names: Sequence[str] = ()
    ) -> list[Pinned]:
        """Return the table's pins; `lists` says which of its lists each is for."""
        pins = self.settings.rules.pins_of(table, self.run_date)
        known = pc.index_in(pa.array([pin.item for pin in pins], pa.string()), value_set=self.data.item_ids)
        found = []
        for pin, place in zip(pins, known.to_pylist(), strict=True):
            item, label = place or 0, pin.list or EVERYBODY
            item *= bool(self.data.available[item])
            found.append(Pinned(item, pin.rank, lists(pin), names.index(label) if label in names else 0))
        return found


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
