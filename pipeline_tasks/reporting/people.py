"""A few users as a person would look at them: a version in; what each did last, and the list each gets, out.

They are chosen anew each night, in an order that only the night and their ids make, from one of the files of top_n,
each of which holds users of all kinds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipeline_tasks.lake import layout, tables
from pipeline_tasks.publishing import versions
from pipeline_tasks.reporting.night import Absent, Night

# sources of rows whose reason is a list, not an item of the user's own
LISTED = ("popular", "pinned")
# one of so many users is one that the model does not know, where there are any
ONE_COLD_OF = 5
# of a user's newest events and first places so many are looked at: with pictures, where there are any
LOOKED_AT = 5
COLUMNS = ["user_id", "rank", "item_id", "source", "reason"]

WHO = """
    WITH who AS (SELECT user_id, bool_or(source = 'model') AS known FROM {top_n} GROUP BY user_id)
    FROM who
    QUALIFY row_number() OVER (PARTITION BY known ORDER BY md5('{night} ' || user_id), user_id) <= {count}
    ORDER BY md5('{night} ' || user_id), user_id"""
LISTS = "SELECT * FROM {top_n} WHERE user_id IN (SELECT unnest($1)) ORDER BY user_id, rank"
TITLES = "SELECT item_id, title FROM {items} WHERE item_id IN (SELECT unnest($1)) AND title IS NOT NULL"
EVENTS = """
    SELECT user_id, item_id, type, time FROM (
        SELECT user_id, unnest(items) AS item_index, unnest(types) AS type, unnest(times) AS time,
               generate_subscripts(items, 1) AS place
        FROM {users} JOIN {sequences} USING (user_index) WHERE user_id IN (SELECT unnest($1)))
    JOIN {items} USING (item_index)
    QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY place DESC) <= {most} ORDER BY user_id, place DESC"""
IMAGES = """
    SELECT item_id, image FROM {clean} WHERE item_id IN (SELECT unnest($1)) AND image IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY updated_at DESC NULLS LAST) = 1"""


@dataclass(frozen=True)
class Place:
    """One place of a list: the item's title (its id where there is none), and why it is there."""

    rank: int
    item_id: str
    title: str
    why: str


@dataclass(frozen=True)
class Event:
    """Something that a user did: `when` is a moment (UTC) as ISO 8601."""

    when: str
    what: str
    item_id: str
    title: str


@dataclass(frozen=True)
class Person:
    """A user with the newest events, the newest first, and the list; `cold` where the model does not know the user."""

    user_id: str
    cold: bool
    places: list[Place]
    history: list[Event] = field(default_factory=list)


def sampled(night: Night, version: str, count: int) -> list[Person]:
    """Return at most `count` users of a version, those that the model knows first."""
    manifest = versions.read_manifest(night.store, version)
    files = [file["name"] for file in manifest["tables"]["top_n"]["files"] if file["rows"]]
    if not files or not count:
        return []
    chosen_file = files[night.run_date.toordinal() % len(files)]
    top_n = night.file(f"{layout.version(version)}/top_n", chosen_file, COLUMNS)
    chosen = _choose(night.rows(WHO.format(top_n=top_n, night=night.run_date, count=count)), count)
    rows = night.rows(LISTS.format(top_n=top_n), [list(chosen)])
    events = _events(night, list(chosen))
    titles = _titles(night, {name for row in rows for name in (row["item_id"], row["reason"])})
    titles |= _titles(night, {row["item_id"] for row in events} - titles.keys())
    kinds = _event_types(night) if events else []
    return [
        Person(
            user,
            cold,
            [_place(row, titles) for row in rows if row["user_id"] == user],
            [_event(row, titles, kinds) for row in events if row["user_id"] == user],
        )
        for user, cold in chosen.items()
    ]


def images(night: Night, people: Sequence[Person]) -> dict[str, str]:
    """Return the images' names, as the source says them, of the items that are looked at, in their order."""
    named: dict[str, None] = {}
    for each in people:
        rows: list[Event | Place] = [*each.history, *each.places[:LOOKED_AT]]
        named |= dict.fromkeys(row.item_id for row in rows)
    clean = night.table("clean/items")
    found = {row["item_id"]: row["image"] for row in night.rows(IMAGES.format(clean=clean), [list(named)])}
    return {name: found[name] for name in named if name in found}


def _choose(who: Sequence[dict[str, Any]], count: int) -> dict[str, bool]:
    """Return whom to show, by whether no row of theirs is the model's; `who` are users in order of chance."""
    cold = [row["user_id"] for row in who if not row["known"]]
    known = [row["user_id"] for row in who if row["known"]]
    few = max(1, count // ONE_COLD_OF) if count > 1 or not known else 0
    kept = known[: max(count - len(cold), count - few)]
    return {**dict.fromkeys(kept, False), **dict.fromkeys(cold[: count - len(kept)], True)}


def _events(night: Night, users: list[str]) -> list[dict[str, Any]]:
    try:
        views = {
            "users": night.table("training/users"),
            "sequences": night.table("training/sequences"),
            "items": night.table("training/items"),
        }
    except Absent:
        return []
    return night.rows(EVENTS.format(**views, most=LOOKED_AT), [users])


def _titles(night: Night, wanted: Iterable[str]) -> dict[str, str]:
    """Return the titles of items where there are any."""
    try:
        items = night.table("training/items")
    except Absent:
        return {}
    found = night.rows(TITLES.format(items=items), [sorted(wanted)])
    return {row["item_id"]: row["title"] for row in found}


def _event_types(night: Night) -> list[str]:
    commit = tables.read_commit(night.store, layout.night("training/sequences", night.run_date))
    return list(commit.facts.get("event_types", ())) if commit else []


def _place(row: dict[str, Any], titles: dict[str, str]) -> Place:
    reason = row["reason"]
    listed = row["source"] in LISTED
    why = f"{row['source']}: {reason}" if listed else f"after {titles.get(reason, reason)}"
    return Place(row["rank"], row["item_id"], titles.get(row["item_id"], row["item_id"]), why)


def _event(row: dict[str, Any], titles: dict[str, str], kinds: Sequence[str]) -> Event:
    what = kinds[row["type"] - 1] if 0 < row["type"] <= len(kinds) else "event"
    when = datetime.fromtimestamp(row["time"], UTC).isoformat()
    return Event(when, what, row["item_id"], titles.get(row["item_id"], row["item_id"]))
