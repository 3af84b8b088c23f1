"""Who is not to get what: the settings and the files that they name in, (user_id, item_id) pairs out."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import Settings, SourceTable
from pipeline_tasks.sources.casting import to_text, without_blanks
from pipeline_tasks.sources.files import absolute, fetch, files

PAIRS = pa.schema({"user_id": pa.string(), "item_id": pa.string()})


def read_blocked(settings: Settings, scratch: Path) -> pa.Table:
    """Return the pairs of `rules.blocked`, each once and in order; "" stands for every user, or every item.

    Raises Refused for files that are not there or have no such columns.
    """
    if not settings.rules.blocked:
        return PAIRS.empty_table()
    uri = absolute(settings.rules.blocked, settings.data_root)
    found = files(SourceTable(uri=uri, format="csv", columns={}))
    if not found:
        raise Refused(f"rules.blocked: there is no file at {uri}", "put it there, or set rules.blocked to ''")
    parts = [_read(name, path) for name, path in zip(found, fetch(found, scratch / "blocked"), strict=True)]
    pairs = pa.concat_tables(parts).group_by(PAIRS.names).aggregate([]).select(PAIRS.names)
    empty = pc.and_(pc.equal(pairs["user_id"], ""), pc.equal(pairs["item_id"], ""))
    return pairs.filter(pc.invert(empty)).sort_by([(name, "ascending") for name in PAIRS.names])


def declared_blocks(settings: Settings, pairs: pa.Table) -> pa.Table:
    """Return the pairs with those that `rules.blocked_items` and `rules.blocked_users` stand for."""
    items, users = settings.rules.blocked_items, settings.rules.blocked_users
    own = pa.table([[*[""] * len(items), *users], [*items, *[""] * len(users)]], schema=PAIRS)
    return pa.concat_tables([pairs, own])


def of_all_and_pairs(blocks: pa.Table) -> tuple[pa.Array, pa.Array, pa.Table]:
    """Return the items that are for nobody, the users who get no list, and the other pairs."""
    no_user, no_item = (pc.equal(blocks[name], "") for name in PAIRS.names)
    items = blocks.filter(no_user)["item_id"].combine_chunks()
    users = blocks.filter(no_item)["user_id"].combine_chunks()
    return items, users, blocks.filter(pc.invert(pc.or_(no_user, no_item)))


def _read(uri: str, path: Path) -> pa.Table:
    try:
        if ".parquet" in uri:
            table = pq.read_table(path, columns=PAIRS.names, partitioning=None)
        else:
            told = pyarrow.csv.ConvertOptions(
                column_types=dict(zip(PAIRS.names, PAIRS.types, strict=True)), include_columns=PAIRS.names
            )
            table = pyarrow.csv.read_csv(path, convert_options=told)
        cells = [without_blanks(table[name].combine_chunks()) for name in PAIRS.names]
        columns = [pc.fill_null(to_text(each), "") for each in cells]
    except (pa.ArrowException, KeyError) as error:
        raise Refused(
            f"rules.blocked: {uri} has no columns user_id and item_id that can be read: {error}",
            "write it as CSV with a header, or as Parquet",
        ) from error
    return pa.table(columns, schema=PAIRS)
