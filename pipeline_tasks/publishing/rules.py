"""What must hold for a version to go live, as queries that find whatever breaks it.

The views `top_n` (with `filename`), `similar_items`, `popular`, `users` (user_id, user_index), `items`
(item_id, item_index, available) and `sequences` (user_index, items: indices of the history) in; violations
by rule out. DuckDB counts them, in a tenth of the time that Great Expectations takes for the same on Spark, and asks of
every row of a list what `listed` has found by sorting.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from pipeline_tasks.contracts import PUBLISHED_TABLES, ColumnType
from pipeline_tasks.publishing.list_rules import declared_queries
from pipeline_tasks.publishing.listed import Listed, define_listed, define_seen
from pipeline_tasks.publishing.places import Night, define_places
from pipeline_tasks.publishing.refill import LISTS
from pipeline_tasks.quality.failures import Failure
from pipeline_tasks.quality.rules import Rule, row_rules

__all__ = ["Night", "Violations", "broken", "violations"]

EXAMPLES = 3
SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Violations:
    """How often a rule of a table is broken, how often it may be, and the first few cases."""

    table: str
    rule: str
    count: int
    tolerated: int = 0
    examples: list[str] = field(default_factory=list)


# what DuckDB calls the types of the contracts
TYPES: dict[ColumnType, tuple[str, ...]] = {
    "string": ("VARCHAR",),
    "integer": ("INTEGER", "BIGINT"),
    "float": ("FLOAT", "DOUBLE"),
    "timestamp": ("TIMESTAMP WITH TIME ZONE",),
}
# {table}, {owner} and {item} are those of LISTS: whose list it is, and what it recommends
OF_ITEMS = {
    "item_is_known": """
        SELECT {item}, rows FROM {table}_items AS listed ANTI JOIN items ON items.item_id = listed.{item}""",
    "item_is_available": """
        SELECT {item}, rows FROM {table}_items AS listed
        SEMI JOIN (FROM items WHERE NOT available) AS gone ON gone.item_id = listed.{item}""",
}
OF_ROWS = {
    "score_is_finite": """
        SELECT {owner}, rank, {item} FROM {table} WHERE NOT isfinite(score)""",
}
OF_LISTS = {
    "list_is_in_one_place": """
        SELECT {owner}, count(*) AS places FROM {table}_lists GROUP BY {owner} HAVING count(*) > 1""",
    "key_is_unique": "SELECT {owner}, size FROM {table}_lists WHERE ranks <> size",
    "ranks_have_no_gaps": "SELECT {owner}, size FROM {table}_lists WHERE first <> 1 OR last <> ranks",
    "items_are_distinct": "SELECT {owner}, size FROM {table}_lists WHERE items <> size",
}
OF_SIMILAR = {
    "owner_is_known": "SELECT item_id, rank, similar_item_id FROM similar_items ANTI JOIN items USING (item_id)",
    "not_its_own_neighbour": """
        SELECT item_id, rank, similar_item_id FROM similar_items WHERE item_id = similar_item_id""",
}
OF_POPULAR = {
    "the_list_of_all_is_there": """
        SELECT 'all' AS list_name WHERE EXISTS (FROM offered)
        AND NOT EXISTS (FROM popular WHERE list_name = 'all')""",
}
OF_TOP_N = {
    "user_is_in_the_file_of_the_bucket": """
        SELECT user_id, file FROM top_n_lists WHERE file <> ('0x' || left(md5(user_id), 8))::UBIGINT % {files}""",
    "bucket_is_the_files": """
        SELECT user_id, rank, bucket FROM top_n
        WHERE bucket <> regexp_extract(filename, 'part-([0-9]+).parquet$', 1)::BIGINT""",
    "cutoff_is_the_nights": """
        SELECT user_id, rank, item_id FROM top_n WHERE data_cutoff IS DISTINCT FROM make_timestamptz({cutoff_us})""",
    "user_is_known": "SELECT user_id, size FROM top_n_lists ANTI JOIN users USING (user_id)",
    "nothing_seen": "SELECT user_id, seen FROM top_n_seen",
    "user_has_a_list": "SELECT user_id FROM places WHERE size = 0 AND places > 0",
    "list_is_full": "SELECT user_id, size, places FROM places WHERE size < places",
}


def violations(
    engine: duckdb.DuckDBPyConnection, night: Night, files: Mapping[str, Sequence[Path]]
) -> tuple[list[Violations], Listed | None]:
    """Return every rule of the three tables, the declared ones among them, with what breaks it; and their lists.

    Of `files` with columns of a wrong type nothing else is asked, and no lists are made.
    """
    types = [_types(engine, table) for table in LISTS]
    if any(each.count for each in types):
        return types, None
    values = {
        "files": night.files,
        "cutoff_us": int(night.cutoff.timestamp()) * 1_000_000,
    }
    listed = define_listed(engine, files)
    define_seen(engine, listed, asked=night.exclude_seen)
    define_places(engine, night)
    ((users,),) = engine.sql("SELECT count(*) FROM users").fetchall()
    tolerated = {"list_is_full": int(night.shortfall_budget * users)}
    found = (
        _count(engine, table, rule, query.format(**values), tolerated.get(rule, 0))
        for table, rule, query in (*_queries(), *declared_queries(night))
    )
    return [*types, *found], listed


def broken(found: Iterable[Violations]) -> list[Failure]:
    """Return the rules that are broken more often than they may be, those that break most often first."""
    failures = [
        Failure(each.table, each.rule, each.count, each.examples)
        for each in found
        if each.count > each.tolerated
    ]
    return sorted(failures, key=lambda failure: -failure.count)


def _types(engine: duckdb.DuckDBPyConnection, table: str) -> Violations:
    """Return the columns of another type than the contract's."""
    found = dict(zip(engine.table(table).columns, map(str, engine.table(table).types), strict=True))
    columns = PUBLISHED_TABLES[table].columns
    wrong = [column.name for column in columns if found.get(column.name) not in TYPES[column.type]]
    examples = [f"{name} is {found.get(name, 'missing')}" for name in wrong]
    return Violations(table, "types_are_the_contracts", len(wrong), examples=examples[:EXAMPLES])


def _queries() -> Iterator[tuple[str, str, str]]:
    for table, lists in LISTS.items():
        for asked in row_rules(PUBLISHED_TABLES[table]):
            yield table, asked.reason, _of_column(asked, table, lists.owner, lists.item)
        for rule, query in {**OF_ITEMS, **OF_ROWS, **OF_LISTS}.items():
            yield table, rule, query.format(table=table, owner=lists.owner, item=lists.item)
    for table, rules in {"top_n": OF_TOP_N, "similar_items": OF_SIMILAR, "popular": OF_POPULAR}.items():
        for rule, query in rules.items():
            yield table, rule, query


def _of_column(rule: Rule, table: str, owner: str, item: str) -> str:
    """Return the query for rows that break a rule of the contract's; what is null is that rule's own concern."""
    column = rule.column
    least = "-inf" if column.minimum is None else column.minimum
    most = "inf" if column.maximum is None else column.maximum
    wrong = {
        "missing": f"{column.name} IS NULL",
        "out_of_range": f"{column.name} NOT BETWEEN '{least}'::DOUBLE AND '{most}'::DOUBLE",
        "too_long": f"length({column.name}) NOT BETWEEN 1 AND {column.max_characters}",
    }[rule.kind]
    shown: Iterable[str] = dict.fromkeys((owner, "rank", item, column.name))
    if rule.kind == "too_long" and column.name == owner:
        table, shown = f"{table}_lists", (owner, "size")
    elif rule.kind == "too_long" and column.name == item:
        table, shown = f"{table}_items", (item, "rows")
    return f"SELECT {', '.join(shown)} FROM {table} WHERE {wrong}"  # noqa: S608 - names are the contract's


def _count(
    engine: duckdb.DuckDBPyConnection, table: str, rule: str, query: str, tolerated: int
) -> Violations:
    found = engine.sql(query)
    ((count,),) = found.aggregate("count(*)").fetchall()
    cases = found.order("ALL").limit(EXAMPLES).fetchall() if count else []
    examples = [_shown(dict(zip(found.columns, case, strict=True))) for case in cases]
    return Violations(table, rule, count, tolerated, examples)


def _shown(case: dict[str, object]) -> str:
    return " ".join(f"{name}={str(value)[:SHOWN_CHARACTERS]!r}" for name, value in case.items())
