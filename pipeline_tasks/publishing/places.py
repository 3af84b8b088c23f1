"""How long each user's list is and could be: the views that `rules` reads in, the table `places` out."""

from dataclasses import dataclass, field
from datetime import datetime

import duckdb


@dataclass(frozen=True)
class Night:
    """What a night's tables must agree with: places a list, data cut-off, files of top_n, whether lists
    leave out what was seen, and the share of users whose list may be shorter than it could be.

    With `ruled`, rules are declared and the views blocked_items, blocked_users and blocked_pairs are there; `caps`
    are those of each table, by attribute.
    """

    n: int
    cutoff: datetime
    files: int
    exclude_seen: bool
    shortfall_budget: float
    ruled: bool = False
    caps: dict[str, dict[str, int]] = field(default_factory=dict)


# what may be in a list at all, and what some users may not have: of those whose list is short
OFFERED = "CREATE TEMP VIEW offered AS FROM items {without} WHERE available"
BARRED = """
    CREATE TEMP TABLE barred AS
    WITH short AS (FROM users LEFT JOIN top_n_lists USING (user_id) WHERE coalesce(size, 0) < {n})
    SELECT user_index, item_index
    FROM (SELECT DISTINCT user_index, unnest(items) AS item_index FROM sequences SEMI JOIN short USING (user_index)
          WHERE {exclude_seen} {blocked})
    SEMI JOIN offered USING (item_index)"""
BLOCKED = """
    UNION SELECT user_index, item_index FROM blocked_pairs JOIN short USING (user_id) JOIN items USING (item_id)"""
# a user's places: at most n, at most what is offered and not barred
PLACES = """
    CREATE TEMP TABLE places AS
    WITH counted AS (SELECT user_index, count(*) AS items FROM barred GROUP BY user_index)
    SELECT user_id, user_index, coalesce(size, 0) AS size,
           least({n}, (SELECT count(*) FROM offered) - coalesce(counted.items, 0)) AS places
    FROM users LEFT JOIN top_n_lists USING (user_id) LEFT JOIN counted USING (user_index) {without}"""
# with caps a list is as long as it can be where nothing that its user may have could be added
HAVE = """
    CREATE TEMP TABLE have_{name} AS
    SELECT user_id, coalesce(items.{name}, '') AS {name}, count(*) AS rows FROM top_n
    SEMI JOIN (FROM places WHERE size < places) AS short USING (user_id) JOIN items USING (item_id) GROUP BY ALL"""
CAPPED = """
    UPDATE places SET places = size WHERE size < places AND user_id NOT IN (
        WITH short AS (FROM places WHERE size < places),
        grouped AS (SELECT item_id, item_index, {groups} FROM offered),
        offers AS (SELECT {names}, count(*) AS items FROM grouped GROUP BY ALL),
        out AS (SELECT user_id, {names}, count(*) AS items FROM (
                    SELECT user_id, item_index FROM barred JOIN short USING (user_index)
                    UNION SELECT user_id, item_index FROM top_n SEMI JOIN short USING (user_id)
                    JOIN items USING (item_id))
                JOIN grouped USING (item_index) GROUP BY ALL)
        SELECT user_id FROM short CROSS JOIN offers LEFT JOIN out USING (user_id, {names}) {joins}
        WHERE offers.items > coalesce(out.items, 0) {room})"""


def define_places(engine: duckdb.DuckDBPyConnection, night: Night) -> None:
    """Make the table `places` (user_id, user_index, size, places); reads top_n_lists besides the views."""
    without = {
        name: f"ANTI JOIN blocked_{name}s USING ({name}_id)" if night.ruled else ""
        for name in ("item", "user")
    }
    values = {"n": night.n, "exclude_seen": night.exclude_seen, "blocked": BLOCKED if night.ruled else ""}
    engine.execute(OFFERED.format(without=without["item"]))
    engine.execute(BARRED.format(**values))
    engine.execute(PLACES.format(**values, without=without["user"]))
    caps = night.caps.get("top_n", {})
    if not caps:
        return
    for name in caps:
        engine.execute(HAVE.format(name=name))
    engine.execute(
        CAPPED.format(
            groups=", ".join(f"coalesce({name}, '') AS {name}" for name in caps),
            names=", ".join(caps),
            joins=" ".join(f"LEFT JOIN have_{name} USING (user_id, {name})" for name in caps),
            room=" ".join(
                f"AND ({name} = '' OR coalesce(have_{name}.rows, 0) < {most})" for name, most in caps.items()
            ),
        )
    )
