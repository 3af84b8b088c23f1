"""Pins as queries: a table's pins and its final lists in; how many have their place, and which have no effect, out.

These read the view `pins` (say, list, item_id, rank) of one table, whose first say is the smallest, besides those of
`rules`.
"""

from collections.abc import Sequence
from typing import Any

import duckdb

from pipeline_tasks.publishing.list_rules import NAMED, one_row
from pipeline_tasks.publishing.places import Night
from pipeline_tasks.publishing.refill import LISTS

# a pin whose place or item an earlier say holds asks for nothing, which is found once for all lists that the same pins
# ask for; a list that is shorter has the item at its end, before those pinned behind it
PINNED = """
    WITH owners AS ({owners}), kept_from AS ({kept_from}),
    asked AS (SELECT owner, list(say ORDER BY say) AS says FROM pins
              JOIN owners ON pins.list = '' OR list_contains(owners.segments, pins.list)
              SEMI JOIN offered USING (item_id) ANTI JOIN kept_from USING (owner, item_id) GROUP BY owner),
    together AS (
        SELECT says, list([{{'item_id': pins.item_id, 'rank': pins.rank}}] ORDER BY say) AS pins
        FROM (SELECT says, unnest(says) AS say FROM (SELECT DISTINCT says FROM asked)) JOIN pins USING (say)
        GROUP BY says),
    held AS (SELECT says, unnest(list_reduce(pins, lambda held, pin: CASE
                 WHEN len(list_filter(held, lambda other: other.rank = pin[1].rank OR other.item_id = pin[1].item_id)) > 0
                 THEN held ELSE list_concat(held, pin) END)) AS pin FROM together),
    pinned AS (SELECT owner, pin.item_id, pin.rank FROM asked JOIN held USING (says)),
    sizes AS (SELECT {owner} AS owner, max(rank) AS size FROM {table} GROUP BY ALL),
    wanted AS (
        SELECT pinned.owner, listed.rank,
               least(pinned.rank, sizes.size - count(listed.rank) OVER (
                   PARTITION BY pinned.owner ORDER BY pinned.rank DESC
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS place
        FROM pinned JOIN sizes USING (owner)
        LEFT JOIN {table} AS listed ON listed.{owner} = pinned.owner AND listed.{item} = pinned.item_id)
    SELECT count(*) FILTER (rank = place) AS placed, count(*) - placed AS missing,
           min(DISTINCT owner, {named}) FILTER (rank IS DISTINCT FROM place) AS examples
    FROM wanted"""
OWNERS = {
    "top_n": "SELECT user_id AS owner, segments FROM users",
    "similar_items": "SELECT DISTINCT item_id AS owner, [item_id] AS segments FROM similar_items",
    "popular": "SELECT DISTINCT list_name AS owner, [list_name] AS segments FROM popular",
}
# who may not have what is pinned
KEPT_FROM = {
    "top_n": """
        SELECT user_id AS owner, item_id FROM blocked_pairs SEMI JOIN pins USING (item_id)
        UNION ALL SELECT user_id, item_id FROM users JOIN sequences USING (user_index)
        JOIN (FROM items SEMI JOIN pins USING (item_id)) AS pinned ON list_contains(sequences.items, item_index)
        WHERE {exclude_seen}""",
    "similar_items": "SELECT item_id AS owner, item_id FROM items",
    "popular": "SELECT '' AS owner, '' AS item_id WHERE false",
}
# what is wrong with pinned items that cannot be in any list
NOT_OFFERED = """
    SELECT say, CASE WHEN items.item_id IS NULL THEN 'unknown' WHEN blocked.item_id IS NULL THEN 'unavailable'
                ELSE 'blocked' END AS state
    FROM pins ANTI JOIN offered USING (item_id) LEFT JOIN items USING (item_id)
    LEFT JOIN (SELECT DISTINCT item_id FROM blocked_items) AS blocked USING (item_id)"""
NAMES = "SELECT DISTINCT unnest(segments) AS name FROM ({owners})"
NAMES_SHOWN = 3
ITEM_SENTENCES = {
    "unknown": "there is no item {item!r}, so that the pin has no effect; mend its item, or take it out",
    "blocked": "item {item!r} is blocked for everybody (rules.blocked_items or rules.blocked), so that the pin has no "
    "effect; take one of the two out",
    "unavailable": "item {item!r} cannot be had, so that the pin has no effect before it can; pin another item, or "
    "say until when the pin holds",
}
ITSELF_SENTENCE = (
    "no item is its own neighbour, so that the pin of {item!r} in its own list of similar_items has no effect there; "
    "pin another item, or mend its tables"
)
LIST_SENTENCE = (
    "no list of {table} is called {list!r} (there are {names}), so that the pin of {item!r} has no effect there; mend "
    "its list, or its tables"
)


def counted_pins(engine: duckdb.DuckDBPyConnection, table: str, night: Night) -> dict[str, Any]:
    """Return how many of the table's pins have their place, and how many have not though the list may have the item.

    Of pins that want one place, or have one item, only that is counted which has the first say and can be had; `examples`
    are lists that lack one.
    """
    lists = LISTS[table]
    kept_from = KEPT_FROM[table].format(exclude_seen=night.exclude_seen)
    values = {"table": table, "owner": lists.owner, "item": lists.item, "named": NAMED}
    return one_row(engine, PINNED.format(**values, owners=OWNERS[table], kept_from=kept_from))


def without_effect(engine: duckdb.DuckDBPyConnection, table: str, keys: Sequence[str]) -> list[str]:
    """Return a sentence for each of the table's pins whose item, or else whose list, is not there, or is the item's own.

    `keys` say where the pins are declared, in the order of their say.
    """
    states = dict(engine.sql(NOT_OFFERED).fetchall())
    engine.execute(f"CREATE OR REPLACE TEMP TABLE names AS {NAMES.format(owners=OWNERS[table])}")
    unmatched = "SELECT say, list, item_id, list <> '' AND list NOT IN (FROM names) FROM pins ORDER BY say"
    found = []
    for say, name, item, strange in engine.sql(unmatched).fetchall():
        if say in states:
            found.append(f"{keys[say]}: {ITEM_SENTENCES[states[say]].format(item=item)}")
        elif strange:
            told = LIST_SENTENCE.format(table=table, list=name, names=_some_names(engine), item=item)
            found.append(f"{keys[say]}: {told}")
        elif table == "similar_items" and name == item:
            found.append(f"{keys[say]}: {ITSELF_SENTENCE.format(item=item)}")
    return found


def _some_names(engine: duckdb.DuckDBPyConnection) -> str:
    names = [name for (name,) in engine.sql(f"FROM names ORDER BY name LIMIT {NAMES_SHOWN}").fetchall()]
    ((count,),) = engine.sql("SELECT count(*) FROM names").fetchall()
    return f"{count:,}: " + ", ".join(map(repr, names)) + ", …" * (count > len(names)) if count else "none"
