"""The files of a sample shop: a plan and a folder come in, the folder is written whole or not at all."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.sample import dirt
from pipeline_tasks.sample.behaviour import Behaviour
from pipeline_tasks.sample.catalogue import Catalogue, make_catalogue
from pipeline_tasks.sample.events import HEADER, Events, csv_values, event_lines
from pipeline_tasks.sample.images import item_png
from pipeline_tasks.sample.people import People, make_people, taste_weights
from pipeline_tasks.sample.plan import DAY_SECONDS, Plan
from pipeline_tasks.sample.shelf import Shelf, Shop
from pipeline_tasks.sample.tables import ItemTable, UserTable, image_name

USERS_AT_ONCE = 100_000
LATEST_DAYS = 2  # days after its event on which a record may arrive
FACTS = "sample.json"


def write_folder(plan: Plan, out: Path) -> dict[str, int]:
    """Write the shop of `plan` to `out`; an earlier sample there is replaced, anything else is refused.

    Returns the rows of each table. Raises Refused when `out` holds something else, NightjarError when it
    cannot be written.
    """
    out = out.resolve()
    _check_place(out)
    partial = out.with_name(f"{out.name}.{uuid4().hex}.partial")
    try:
        partial.mkdir(parents=True)
        facts = _write(plan, partial)
        (partial / FACTS).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    except OSError as error:
        raise NightjarError(
            f"cannot write the sample to {out}: {error.strerror or error}",
            "free space there, or name another --out",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    rows: dict[str, int] = facts["rows"]
    return rows


def _check_place(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise Refused(f"{out} is a file", "name a folder with --out")
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    foreign = sorted(names - {FACTS, "interactions", "items.jsonl", "users.csv", "images"})
    if foreign or (names and FACTS not in names):
        found = foreign or sorted(names)
        raise Refused(f"{out} holds {found[0]}, which is no sample's", "name a new folder with --out")


def _write(plan: Plan, out: Path) -> dict[str, Any]:
    catalogue, people = make_catalogue(plan), make_people(plan)
    items, users = ItemTable(plan, catalogue), UserTable(plan, people)
    _write_file(out / "items.jsonl", items.lines())
    _write_file(out / "users.csv", users.lines())
    if plan.images:
        (out / "images").mkdir()
        for item in range(len(catalogue)):
            (out / image_name(item)).write_bytes(item_png(catalogue, item))
    interactions = InteractionFiles(plan, catalogue, people, out / "interactions")
    interactions.write()
    rows = {"interactions": interactions.rows, "items": items.rows, "users": users.rows}
    return {
        "parameters": {
            "users": plan.users, "items": plan.items, "days": plan.days, "seed": plan.seed,
            "images": plan.images, "first_day": str(plan.first_day), "last_day": str(plan.end),
        },
        "rows": rows,
        "late": interactions.late,
        "late_after_last_day": interactions.late_after_last_day,
        "dirty": {
            "interactions": interactions.dirt.planted | {"bot": interactions.bots.events},
            "items": items.planted,
            "users": users.planted,
        },
        "bots": [people.ids[user] for user in interactions.bots.user],
    }  # fmt: skip


def _write_file(path: Path, pieces: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)


class InteractionFiles:
    """Writes one file a day of arrival. One day is held in memory, and what arrives later than its day."""

    def __init__(self, plan: Plan, catalogue: Catalogue, people: People, folder: Path) -> None:
        self._plan, self._people, self._folder = plan, people, folder
        self._shop = Shop(plan, catalogue, taste_weights(plan))
        self._behaviour = Behaviour(plan, catalogue, people)
        self._user_ids = csv_values([*people.ids, *dirt.EXTRA_USERS])
        self._item_ids = csv_values([*catalogue.ids, *dirt.EXTRA_ITEMS])
        self.dirt, self.bots = dirt.EventDirt(plan), dirt.choose_bots(plan, people)
        self.rows = self.late = self.late_after_last_day = 0

    def write(self) -> None:
        """Write every day's file, and those of the days after the last on which something still arrives."""
        self._folder.mkdir()
        waiting = Events.joined([])
        for day in range(self._plan.days):
            events = Events.joined([waiting, self._day(day)])
            tomorrow = self._plan.start + (day + 1) * DAY_SECONDS
            waiting = events.take(events.arrived >= tomorrow)
            self._write_day(day, events.take(events.arrived < tomorrow))
        self.late_after_last_day = len(waiting)
        for day in range(self._plan.days, self._plan.days + LATEST_DAYS):
            today = (waiting.arrived - self._plan.start) // DAY_SECONDS == day
            self._write_day(day, waiting.take(today))

    def _day(self, day: int) -> Events:
        """Return everything that happens on a day, dirt and bots included."""
        shelf = self._shop.shelf(day)
        clean = Events.joined([*self._blocks(day, shelf)])
        self.late += int((clean.arrived - clean.time > DAY_SECONDS // 48).sum())
        return Events.joined([clean, self.dirt.day(day, clean), self.bots.day(self._plan, day, shelf)])

    def _blocks(self, day: int, shelf: Shelf) -> Iterable[Events]:
        for block, begin in enumerate(range(0, len(self._people), USERS_AT_ONCE)):
            users = slice(begin, min(begin + USERS_AT_ONCE, len(self._people)))
            yield self._behaviour.day(day, users, shelf, self._plan.rng(4, day, block))

    def _write_day(self, day: int, events: Events) -> None:
        self.rows += len(events)
        path = self._folder / f"arrived={self._plan.day(day).isoformat()}.csv"
        with path.open("wb") as file:
            file.write(HEADER)
            for lines in event_lines(events.in_order(), self._user_ids, self._item_ids):
                file.write(lines)
