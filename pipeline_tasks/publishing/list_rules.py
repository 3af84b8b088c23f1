"""The declared rules as queries: the final tables in; what breaks a rule, and what the others came to, out.

Besides the views of `rules` these read blocked_items, blocked_users and blocked_pairs (ids), and `items` with the
attributes that caps name.
"""

from collections.abc import Iterator
from typing import Any

import duckdb

from pipeline_tasks.publishing.places import Night
from pipeline_tasks.publishing.refill import LISTS

NOT_BLOCKED = """
    SELECT {item}, rows FROM {table}_items AS listed
    SEMI JOIN blocked_items AS blocked ON blocked.item_id = listed.{item}"""
OF_TOP_N = {
    "user_is_not_blocked": "SELECT user_id, size FROM top_n_lists SEMI JOIN blocked_users USING (user_id)",
    "not_blocked_for_the_user": """
        SELECT user_id, rank, item_id FROM top_n SEMI JOIN blocked_pairs USING (user_id, item_id)""",
}
CAP = """
    SELECT listed.{owner}, items.{attribute}, count(*) AS rows
    FROM {table} AS listed JOIN items ON items.item_id = listed.{item}
    WHERE items.{attribute} <> '' GROUP BY ALL HAVING count(*) > {most}"""
# a list need hold no more new items than are offered and its user has not seen or is kept from
NEW = """
    WITH counted AS (
        SELECT user_id, count(*) FILTER (items.new) AS new FROM top_n JOIN items USING (item_id) GROUP BY user_id),
    few AS (FROM counted JOIN users USING (user_id) WHERE new < {needed}),
    kept_from AS (
        SELECT user_index, unnest(items) AS item_index FROM sequences SEMI JOIN few USING (user_index)
        WHERE {exclude_seen}
        UNION SELECT user_index, item_index FROM blocked_pairs JOIN few USING (user_id) JOIN items USING (item_id)),
    lost AS (SELECT user_index, count(*) AS items FROM kept_from SEMI JOIN (FROM offered WHERE new) USING (item_index)
             GROUP BY user_index),
    below AS MATERIALIZED (FROM few LEFT JOIN lost USING (user_index)
              WHERE new < (SELECT count(*) FROM offered WHERE new) - coalesce(lost.items, 0))
    SELECT count(*) AS lists, (SELECT count(*) FROM below) AS lists_below, coalesce(sum(new), 0)::BIGINT AS rows,
           (SELECT min(user_id, {named}) FROM below) AS examples
    FROM counted"""
SHORT = """
    SELECT count(*) FILTER (size < {n}) AS below_n, count(*) FILTER (size < places) AS could_be_longer,
           min(user_id, {named}) FILTER (size < places) AS examples FROM places"""
# lists that are named of those that a rule is not kept in
NAMED = 5


def declared_queries(night: Night) -> Iterator[tuple[str, str, str]]:
    """Yield (table, rule, query) of each declared rule that is never to be broken."""
    if not night.ruled:
        return
    for table, lists in LISTS.items():
        names = {"table": table, "owner": lists.owner, "item": lists.item}
        yield table, "item_is_not_blocked", NOT_BLOCKED.format(**names)
        for attribute, most in night.caps.get(table, {}).items():
            yield table, f"{attribute}_cap_holds", CAP.format(**names, attribute=attribute, most=most)
    for rule, query in OF_TOP_N.items():
        yield "top_n", rule, query


def counted_new(engine: duckdb.DuckDBPyConnection, needed: int, night: Night) -> dict[str, Any]:
    """Return users' lists, those with fewer new items than are `needed` and their user can have, and the new rows."""
    return one_row(engine, NEW.format(needed=needed, exclude_seen=night.exclude_seen, named=NAMED))


def counted_short(engine: duckdb.DuckDBPyConnection, n: int) -> dict[str, Any]:
    """Return the users whose list has fewer than n rows, and those whose list could be longer."""
    return one_row(engine, SHORT.format(n=n, named=NAMED))


def one_row(engine: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    """Return the numbers of a query's only row by their names, and `examples` of lists where there are any."""
    found = engine.sql(query)
    *numbers, examples = found.fetchall()[0]
    counts: dict[str, Any] = dict(zip(found.columns[:-1], map(int, numbers), strict=True))
    return {**counts, "examples": examples} if examples else counts
