"""A version that waits, and what can be had now, in; an entry of the log out, or why it has gone stale."""

import sys
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_tasks.blocked import declared_blocks, of_all_and_pairs, read_blocked
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import floors, layout, tables
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.online import put_online
from pipeline_tasks.publishing import availability, changes, verdicts, waiting
from pipeline_tasks.publishing.alone import alone_with_versions
from pipeline_tasks.publishing.log import Entry
from pipeline_tasks.publishing.promises import Promised, pair_keys
from pipeline_tasks.publishing.refill import LISTS
from pipeline_tasks.publishing.who import who
from pipeline_tasks.reader import Version, open_version
from pipeline_tasks.scratch import scratch_folder
from pipeline_tasks.settings import Settings

NEWER = "let a newer night go live"
ROWS_AT_A_TIME = 1 << 20


def release(settings: Settings, version: str | None, why: str) -> Entry:
    """Make `version` live, by default the newest that waits; return its entry.

    What can be had is read again as it is now, whatever night the version is of: unlike the stages of a night
    this is something that a person does at a moment. Raises Refused where an item of a list has sold out.
    """
    store = open_store(settings.lake_uri)
    with alone_with_versions(settings, "release") as require, scratch_folder(settings) as scratch:
        done = changes.already_made(store, "release", version, who())
        if done:
            return done
        found = waiting.find(store, version)
        run_date = date.fromisoformat(found.run_date)
        verdict = verdicts.require_passed(store, run_date)
        if verdict.version != found.name:
            raise Refused(f"night {run_date} was made again meanwhile: {verdict.version}", "look at that one")
        said = why or "released by hand"

        def first() -> None:
            _refuse_unfit(store, settings, found.name, run_date, scratch)
            put_online(settings, store, found.name)

        return changes.release(store, run_date, verdict, who(), said, require, first)


def _refuse_unfit(store: Store, settings: Settings, name: str, run_date: date, scratch: Path) -> None:
    """Raise Refused where the version's lists hold what cannot be had any more, or was blocked since they were checked."""
    gone, blocks = _gone(store, settings, run_date, scratch), _blocks(settings, scratch)
    if not len(gone) and not blocks:
        return
    version = open_version(store.uri, name)
    for table in LISTS:
        stale, blocked = _counted(version, table, gone, blocks.get(table))
        if stale:
            then = ", with check.availability_hours up to now, and release that"
            raise Refused(
                f"version {name} has gone stale: {stale.total():,} places of {table} hold items that cannot be "
                f"had any more, as {min(stale)!r}",
                floors.again(store, run_date, "check", NEWER, then),
            )
        if blocked:
            raise Refused(
                f"{blocked:,} places of {table} in version {name} are blocked since it was checked",
                floors.again(store, run_date, "check", NEWER, ", and release that"),
            )


def _counted(
    version: Version, table: str, gone: pa.Array, promised: Promised | None
) -> tuple[Counter[str], int]:
    """Return how many places of a table each item that is `gone` has, and how many what is blocked has."""
    lists, stale, blocked = LISTS[table], Counter[str](), 0
    columns = [lists.owner, lists.item] if promised else [lists.item]
    for batch in version.batches(table, columns, ROWS_AT_A_TIME):
        stale.update(batch[lists.item].filter(pc.is_in(batch[lists.item], value_set=gone)).to_pylist())
        if promised:
            blocked += batch.num_rows - promised.allowed(batch, lists.owner, lists.item).num_rows
    return stale, blocked


def _gone(store: Store, settings: Settings, run_date: date, scratch: Path) -> pa.Array:
    """Return the night's items that cannot be had now."""
    known = tables.read_table(
        store, layout.night("training/items", run_date), "dataset", ["item_id", "item_index"]
    )
    stock = availability.read_anew(settings, known, datetime.now(UTC), scratch)
    for warning in stock.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return stock.gone


def _blocks(settings: Settings, scratch: Path) -> dict[str, Promised]:
    """Return by table what is blocked in its lists now; nothing of a table where nothing is."""
    items, users, pairs = of_all_and_pairs(declared_blocks(settings, read_blocked(settings, scratch)))
    keys = pair_keys(*(pairs[column].combine_chunks() for column in pairs.column_names))
    found = {table: Promised(items) for table in LISTS if len(items)}
    if len(items) or len(users) or len(keys):
        found["top_n"] = Promised(items, users, keys)
    return found
