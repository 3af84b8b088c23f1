"""A version that waits, and what can be had now, in; an entry of the log out, or why it has gone stale."""

from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pyarrow.compute as pc

from pipeline_tasks.blocked import declared_blocks, of_all_and_pairs, read_blocked
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import floors, layout, tables
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.online import put_online
from pipeline_tasks.publishing import availability, changes, versions, waiting
from pipeline_tasks.publishing.alone import alone_with_versions
from pipeline_tasks.publishing.log import Entry
from pipeline_tasks.publishing.promises import Promised, pair_keys
from pipeline_tasks.publishing.refill import LISTS
from pipeline_tasks.publishing.who import who
from pipeline_tasks.reader import open_version
from pipeline_tasks.scratch import scratch_folder
from pipeline_tasks.settings import Settings

NEWER = "let a newer night go live"


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
        verdict = versions.require_passed(store, run_date)
        if verdict.version != found.name:
            raise Refused(f"night {run_date} was made again meanwhile: {verdict.version}", "look at that one")
        _refuse_stale(store, settings, found.name, run_date, scratch)
        _refuse_blocked(store, settings, found.name, run_date, scratch)
        said = why or "released by hand"
        push = partial(put_online, settings, store, found.name)
        return changes.release(store, run_date, verdict, who(), said, require, push)


def _refuse_stale(store: Store, settings: Settings, name: str, run_date: date, scratch: Path) -> None:
    """Raise Refused where a list of the version holds what cannot be had any more."""
    known = tables.read_table(
        store, layout.night("training/items", run_date), "dataset", ["item_id", "item_index"]
    )
    items = availability.read_anew(settings, known, datetime.now(UTC), scratch)
    gone = items.filter(pc.invert(items["available"]))["item_id"].combine_chunks()
    version = open_version(store.uri, name)
    for table, lists in LISTS.items():
        column = version.to_arrow(table, [lists.item])[lists.item]
        stale = column.filter(pc.is_in(column, value_set=gone))
        if len(stale):
            example = pc.min(stale).as_py()
            raise Refused(
                f"version {name} has gone stale: {len(stale):,} places of {table} hold items that cannot be had "
                f"any more, as {example!r}",
                floors.again(
                    store,
                    run_date,
                    "check",
                    NEWER,
                    ", with check.availability_hours up to now, and release that",
                ),
            )


def _refuse_blocked(store: Store, settings: Settings, name: str, run_date: date, scratch: Path) -> None:
    """Raise Refused where a list of the version holds what has been blocked since it was checked."""
    items, users, pairs = of_all_and_pairs(declared_blocks(settings, read_blocked(settings, scratch)))
    keys = pair_keys(*(pairs[column].combine_chunks() for column in pairs.column_names))
    version = open_version(store.uri, name)
    for table, lists in LISTS.items():
        blocks = Promised(items, users, keys) if table == "top_n" else Promised(items)
        batches = version.batches(table, [lists.owner, lists.item])
        blocked = sum(
            each.num_rows - blocks.allowed(each, lists.owner, lists.item).num_rows for each in batches
        )
        if blocked:
            raise Refused(
                f"{blocked:,} places of {table} in version {name} are blocked since it was checked",
                floors.again(store, run_date, "check", NEWER, ", and release that"),
            )
