"""The declared rules as queries: they find what breaks them, and know how long a list can be under caps."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline_tasks.publishing.list_rules import counted_new, counted_pins, counted_short
from pipeline_tasks.publishing.places import Night
from pipeline_tasks.publishing.rules import violations
from tests.lists import POPULAR, SIMILAR, cutoff, ranked_rows, top_n_files, top_n_rows

N = 3


class World:
    """Items i1… with a category and a brand, users u1… with what they saw, and who is not to get what."""

    def __init__(self, folder: Path, lists: dict[str, list[str]], **fields: Any) -> None:
        self.folder, self.lists = folder, lists
        self.items: dict[str, tuple[str | None, str | None, bool]] = fields.pop("items")
        self.seen: dict[str, list[str]] = fields.pop("seen", {})
        self.users: list[str] = fields.pop("users", sorted(lists))
        self.blocked: list[tuple[str, str]] = fields.pop("blocked", [])
        self.pins: list[tuple[str, str, int]] = fields.pop("pins", [])
        self.new: set[str] = fields.pop("new", {"i2"})
        self.popular: dict[str, list[str]] = fields.pop("popular", {"all": ["i1"]})
        self.similar: dict[str, list[str]] = fields.pop("similar", {})
        self.night = Night(
            n=N, cutoff=cutoff(), files=2, exclude_seen=True, shortfall_budget=0, ruled=True, **fields
        )

    def open(self) -> duckdb.DuckDBPyConnection:
        names = [str(path) for path in top_n_files(self.folder, top_n_rows(self.lists, 2), 2)]
        engine = duckdb.connect()
        engine.read_parquet(names, filename=True).create_view("top_n")
        number = {name: place for place, name in enumerate(self.items, 1)}
        pairs = [(u, i) for u, i in self.blocked if u and i]
        small: dict[str, tuple[list[Any], Any]] = {
            "items": (
                [(name, number[name], c, b, there, name in self.new) for name, (c, b, there) in self.items.items()],
                {"item_id": pa.string(), "item_index": pa.int32(), "category": pa.string(), "brand": pa.string(),
                 "available": pa.bool_(), "new": pa.bool_()},
            ),
            "users": (
                [(name, place, [f"country={name}"]) for place, name in enumerate(self.users, 1)],
                {"user_id": pa.string(), "user_index": pa.int32(), "segments": pa.list_(pa.string())},
            ),
            "sequences": (
                [(self.users.index(u) + 1, [number[i] for i in had]) for u, had in self.seen.items()],
                {"user_index": pa.int32(), "items": pa.list_(pa.int32())},
            ),
            "blocked_items": ([(i,) for u, i in self.blocked if not u], {"item_id": pa.string()}),
            "blocked_users": ([(u,) for u, i in self.blocked if not i], {"user_id": pa.string()}),
            "blocked_pairs": (pairs, {"user_id": pa.string(), "item_id": pa.string()}),
            "pins": (
                [(say, *pin) for say, pin in enumerate(self.pins)],
                {"say": pa.int32(), "list": pa.string(), "item_id": pa.string(), "rank": pa.int32()},
            ),
        }  # fmt: skip
        for name, (rows, types) in small.items():
            told = [dict(zip(types, row, strict=True)) for row in rows]
            engine.register(name, pa.Table.from_pylist(told, pa.schema(list(types.items()))))
        near = ranked_rows("item_id", "similar_item_id", self.similar)  # type: ignore[arg-type]
        engine.register("similar_items", pa.Table.from_pylist(near, SIMILAR))
        lists = ranked_rows("list_name", "item_id", self.popular)  # type: ignore[arg-type]
        engine.register("popular", pa.Table.from_pylist(lists, POPULAR))
        return engine

    def broken(self) -> dict[str, int]:
        with self.open() as engine:
            found = violations(engine, self.night)
        return {f"{each.table}.{each.rule}": each.count for each in found if each.count}


PLAIN = {f"i{n}": (f"c{n % 2}", f"b{n}", True) for n in range(1, 7)}


def test_what_is_blocked_is_found_in_every_table(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        {"ann": ["i1", "i2", "i3"], "bob": ["i4", "i5", "i6"], "cat": ["i3", "i4", "i5"]},
        items=PLAIN,
        blocked=[("", "i1"), ("bob", ""), ("cat", "i4"), ("ann", "i6")],
        popular={"all": ["i1", "i2"]},
        similar={"i2": ["i1", "i3"]},
    )
    assert world.broken() == {
        "top_n.item_is_not_blocked": 1,
        "similar_items.item_is_not_blocked": 1,
        "popular.item_is_not_blocked": 1,
        "top_n.user_is_not_blocked": 3,
        "top_n.not_blocked_for_the_user": 1,
    }


def test_broken_caps_are_found_at_their_boundary(tmp_path: Path) -> None:
    lists = {"ann": ["i1", "i3", "i2"], "bob": ["i1", "i3", "i5"]}
    caps = {"top_n": {"category": 2}, "popular": {"category": 1}, "similar_items": {"category": 1}}
    world = World(
        tmp_path, lists, items=PLAIN, caps=caps, popular={"all": ["i1", "i3"]}, similar={"i2": ["i1", "i5"]}
    )
    assert world.broken() == {
        "top_n.category_cap_holds": 1,
        "popular.category_cap_holds": 1,
        "similar_items.category_cap_holds": 1,
    }


def test_a_user_who_may_have_nothing_lacks_nothing(tmp_path: Path) -> None:
    blocked = [("ann", f"i{n}") for n in range(1, 6)] + [("bob", "")]
    world = World(
        tmp_path, {}, users=["ann", "bob"], items=PLAIN, seen={"ann": ["i6", "i1"]}, blocked=blocked
    )
    assert world.broken() == {}
    world = World(tmp_path, {}, users=["ann"], items=PLAIN, blocked=blocked)
    assert world.broken() == {"top_n.user_has_a_list": 1, "top_n.list_is_full": 1}


def test_a_list_is_full_under_caps_where_nothing_could_be_added(tmp_path: Path) -> None:
    """Random worlds against a loop: a short list could be longer where some item fits."""
    draw = random.Random(4)
    for number in range(40):
        some = [f"i{n}" for n in range(1, draw.randint(4, 9))]
        items = {
            i: (draw.choice([None, "c1", "c2"]), draw.choice(["", "b1", "b2"]), draw.random() < 0.8)
            for i in some
        }
        caps = {"top_n": {"category": draw.randint(1, 2), **({"brand": 1} if draw.random() < 0.5 else {})}}
        users = [f"u{n}" for n in range(6)]
        seen = {u: draw.sample(some, draw.randint(0, 3)) for u in users if draw.random() < 0.7}
        blocked = [(draw.choice(users), draw.choice(some)) for _ in range(4)] + [("", draw.choice(some))]
        lists, longer = {}, 0
        for user in users:
            had = {*seen.get(user, []), *(i for u, i in blocked if u in ("", user))}
            eligible = [i for i in some if items[i][2] and i not in had]
            chosen: list[str] = []
            for item in draw.sample(eligible, len(eligible)):
                if len(chosen) < N and _fits([*chosen, item], items, caps["top_n"]):
                    chosen.append(item)
            chosen = chosen[: draw.choice([N, 1, 0])]
            left = (i for i in eligible if i not in chosen and _fits([*chosen, i], items, caps["top_n"]))
            longer += len(chosen) < N and any(left)
            lists[user] = chosen
        world = World(
            tmp_path / str(number), lists, users=users, items=items, seen=seen, blocked=blocked, caps=caps
        )
        broken = world.broken()
        assert broken.get("top_n.list_is_full", 0) == longer, number
        with world.open() as engine:
            violations(engine, world.night)
            below = sum(len(chosen) < N for chosen in lists.values())
            assert counted_short(engine, N) == {"below_n": below, "could_be_longer": longer}


def _fits(chosen: list[str], items: dict[str, Any], caps: dict[str, int]) -> bool:
    return all(
        Counter(items[i][place] for i in chosen if items[i][place]).most_common(1)[0][1] <= caps[name]
        for place, name in enumerate(("category", "brand"))
        if name in caps and any(items[i][place] for i in chosen)
    )


def test_pins_and_new_items_are_counted_where_they_could_have_been(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        {"ann": ["i1", "i2", "i3"], "bob": ["i3", "i1"], "cat": ["i4", "i5"], "dan": ["i2", "i5", "i6"]},
        items=PLAIN,
        seen={"cat": ["i1"]},
        pins=[("", "i1", 3), ("country=dan", "i2", 1), ("country=ann", "i4", 2), ("", "nope", 1)],
    )
    with world.open() as engine:
        violations(engine, world.night)
        # bob's is at the end of a list of two; ann's stands higher than it should, dan's is not there
        assert counted_pins(engine, "top_n", world.night) == {"placed": 2, "missing": 3}
        assert counted_new(engine, 1, world.night) == {"lists": 4, "lists_below": 2, "rows": 2}


def test_a_pin_that_gives_way_to_one_of_an_earlier_say_is_not_missed(tmp_path: Path) -> None:
    """Bob's own pin is of what he has seen, so that everybody's hold for him; dan has no pin of his own."""
    world = World(
        tmp_path,
        {"ann": ["i3", "i1", "i4"], "bob": ["i1", "i4", "i2"], "dan": ["i5", "i6", "i1"]},
        items=PLAIN,
        seen={"bob": ["i3"]},
        pins=[("country=ann", "i3", 1), ("country=bob", "i3", 1), ("country=ann", "i2", 3),
              ("", "i1", 1), ("", "i2", 2), ("", "i4", 3)],
    )  # fmt: skip
    with world.open() as engine:
        violations(engine, world.night)
        # ann's i3 is placed and her i2 is not; bob's i1 alone is placed; dan's are all missed
        assert counted_pins(engine, "top_n", world.night) == {"placed": 2, "missing": 6}


def test_new_items_that_nobody_can_have_are_missed_by_nobody(tmp_path: Path) -> None:
    for there in (False, True):
        items = PLAIN | {"i2": ("c0", "b2", there)}
        world = World(tmp_path / str(there), {"ann": ["i1", "i3", "i4"]}, items=items)
        with world.open() as engine:
            violations(engine, world.night)
            assert counted_new(engine, 2, world.night) == {"lists": 1, "lists_below": int(there), "rows": 0}


def test_new_items_are_missed_by_those_who_can_have_them(tmp_path: Path) -> None:
    """Of the three new items ann has seen two, bob has seen one and may not have another, cat none at all."""
    world = World(
        tmp_path,
        {
            "ann": ["i1", "i2", "i5"],
            "bob": ["i1", "i5", "i6"],
            "cat": ["i1", "i2", "i6"],
            "dan": ["i2", "i3"],
        },
        items=PLAIN,
        new={"i2", "i3", "i4"},
        seen={"ann": ["i3", "i4", "i3"], "bob": ["i2", "i3"]},
        blocked=[("bob", "i4"), ("bob", "i3")],
    )
    with world.open() as engine:
        violations(engine, world.night)
        assert counted_new(engine, 2, world.night) == {"lists": 4, "lists_below": 1, "rows": 4}
