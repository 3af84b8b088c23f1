"""The declared rules as the check needs them: settings, blocks read anew and known items in; promises and views out."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from pipeline_tasks.blocked import declared_blocks, of_all_and_pairs, read_blocked
from pipeline_tasks.item_attributes import attribute, groups, is_new
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.publishing.list_rules import counted_new, counted_short
from pipeline_tasks.publishing.pins import counted_pins, without_effect
from pipeline_tasks.publishing.places import Night
from pipeline_tasks.publishing.promises import Placed, Promised, pair_keys
from pipeline_tasks.ranking.selection import Cap, least_new
from pipeline_tasks.seen_events import seen_condition, seen_since
from pipeline_tasks.settings import Settings, night_end
from pipeline_tasks.settings.rules import LIST_TABLES, ListTable, Pin
from pipeline_tasks.stages.check.work import Work

PINS = pa.schema({"say": pa.int32(), "list": pa.string(), "item_id": pa.string(), "rank": pa.int32()})
SEEN = """
    CREATE TEMP VIEW sequences AS
    SELECT user_index, list_transform(list_filter(list_zip(items, types, times), lambda event: {seen}),
                                      lambda event: event[1]) AS items FROM histories"""


@dataclass(frozen=True)
class Ruled:
    """The rules of a night; `blocks` (user_id, item_id) are as their files say now."""

    settings: Settings
    run_date: date
    blocks: pa.Table
    event_types: list[str]

    def promised(self, items: pa.Table, n: int) -> dict[str, Promised]:
        """Return by table what its final lists hold to; `items` are the known ones, `n` the places of a user's list."""
        blocked_items, blocked_users, pairs = self._blocked()
        share = self.settings.rules.new_items.share
        new = items["item_id"].combine_chunks().filter(pa.array(self._new(items)))
        found: dict[str, Promised] = {}
        for table in LIST_TABLES:
            pins = [
                Placed(pin.list, pin.item, pin.rank)
                for pin in self.settings.rules.pins_of(table, self.run_date)
            ]
            known, caps = items["item_id"].combine_chunks(), self._caps(items, table)
            found[table] = Promised(items=blocked_items, pins=pins, known=known, caps=caps)
        found["top_n"] = replace(
            found["top_n"],
            owners=blocked_users,
            pairs=pair_keys(pairs["user_id"].combine_chunks(), pairs["item_id"].combine_chunks()),
            new=new,
            needed=least_new(share, n, n),
        )
        return found

    def attributed(self, items: pa.Table) -> pa.Table:
        """Return the items with what caps go by and with `new`."""
        for name in asked_attributes(self.settings):
            values = attribute(items, name, self.settings.rules.category_level)
            items = items.set_column(items.schema.get_field_index(name), name, values)
        return items.append_column("new", pa.array(self._new(items)))

    def define(self, engine: duckdb.DuckDBPyConnection) -> None:
        """Define the views of what is blocked and, where event types say what was seen, that of `sequences`."""
        items, users, pairs = self._blocked()
        engine.register("blocked_items", pa.table({"item_id": items}))
        engine.register("blocked_users", pa.table({"user_id": users}))
        engine.register("blocked_pairs", pairs)
        if seen := self.settings.rules.seen:
            since = seen_since(seen, self.event_types, int(night_end(self.run_date).timestamp()))
            engine.execute(SEEN.format(seen=seen_condition(since, "event[2]", "event[3]")))

    def counted(self, engine: duckdb.DuckDBPyConnection, night: Night) -> dict[str, Any]:
        """Return by table and rule what the rules came to in the final files."""
        found: dict[str, dict[str, Any]] = {table: {} for table in LIST_TABLES}
        for table in LIST_TABLES:
            if self._define_pins(engine, table):
                found[table]["pins"] = counted_pins(engine, table, night)
        share = self.settings.rules.new_items.share
        if share:
            needed = int(least_new(share, night.n, night.n)[-1])
            found["top_n"]["new_items"] = counted_new(engine, needed, night)
        found["top_n"]["shortfall"] = counted_short(engine, night.n)
        return {table: rules for table, rules in found.items() if rules}

    def warnings(self, engine: duckdb.DuckDBPyConnection) -> list[str]:
        """Return what is declared and has no effect; reads what `violations` defines."""
        declared, found = self.settings.rules.pins, list[str]()
        for table in LIST_TABLES:
            if pins := self._define_pins(engine, table):
                keys = [f"rules.pins.{declared.index(pin)}" for pin in pins]
                found += without_effect(engine, table, keys)
        return list(dict.fromkeys(found))  # of an item it is the same in every table

    def _define_pins(self, engine: duckdb.DuckDBPyConnection, table: ListTable) -> list[Pin]:
        """Define the view `pins` of the table's pins, and return them."""
        pins = self.settings.rules.pins_of(table, self.run_date)
        rows = [
            {"say": say, "list": pin.list, "item_id": pin.item, "rank": pin.rank}
            for say, pin in enumerate(pins)
        ]
        engine.register("pins", pa.Table.from_pylist(rows, PINS))
        return pins

    def _blocked(self) -> tuple[pa.Array, pa.Array, pa.Table]:
        return of_all_and_pairs(self.blocks)

    def _caps(self, items: pa.Table, table: ListTable) -> list[Cap]:
        rules = self.settings.rules
        return [
            Cap(name, groups(attribute(items, name, rules.category_level)), most)
            for name, most in rules.cap(table).items()
        ]

    def _new(self, items: pa.Table) -> np.ndarray[Any, np.dtype[np.bool_]]:
        end = int(night_end(self.run_date).timestamp())
        return is_new(items, end, self.settings.rules.new_items.days)


def share_unkept(kept: dict[str, Any]) -> float:
    """Return the largest share of a rule's places (pins) or lists (new items) without what it promises."""
    shares = [0.0]
    for rules in kept.values():
        if pins := rules.get("pins"):
            shares.append(pins["missing"] / max(1, pins["placed"] + pins["missing"]))
        if new := rules.get("new_items"):
            shares.append(new["lists_below"] / max(1, new["lists"]))
    return max(shares)


def read_ruled(work: Work) -> Ruled:
    """Return the night's rules, with blocks as they are now; raises Refused for files that cannot be read."""
    place = layout.night("training/sequences", work.run_date)
    sequences = tables.require_commit(work.store, place, "dataset")
    blocks = declared_blocks(work.settings, read_blocked(work.settings, work.scratch))
    return Ruled(work.settings, work.run_date, blocks, sequences.facts.get("event_types", []))


def asked_attributes(settings: Settings) -> list[str]:
    """Return the columns of training/items that caps go by."""
    return sorted({name for table in LIST_TABLES for name in settings.rules.cap(table)})
