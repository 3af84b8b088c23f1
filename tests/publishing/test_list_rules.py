"""The declared rules as queries: they find what breaks them, and know how long a list can be under caps."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

from pipeline_tasks.publishing.list_rules import NAMED, counted_new, counted_short
from tests.publishing.list_world import PLAIN, N, World


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
        "top_n.user_is_not_blocked": 1,
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
    for number in range(15):
        some = [f"i{n}" for n in range(1, draw.randint(4, 9))]
        items = {
            i: (draw.choice([None, "c1", "c2"]), draw.choice(["", "b1", "b2"]), draw.random() < 0.8)
            for i in some
        }
        caps = {"top_n": {"category": draw.randint(1, 2), **({"brand": 1} if draw.random() < 0.5 else {})}}
        users = [f"u{n}" for n in range(6)]
        seen = {u: draw.sample(some, draw.randint(0, 3)) for u in users if draw.random() < 0.7}
        blocked = [(draw.choice(users), draw.choice(some)) for _ in range(4)] + [("", draw.choice(some))]
        lists, longer = {}, list[str]()
        for user in users:
            had = {*seen.get(user, []), *(i for u, i in blocked if u in ("", user))}
            eligible = [i for i in some if items[i][2] and i not in had]
            chosen: list[str] = []
            for item in draw.sample(eligible, len(eligible)):
                if len(chosen) < N and _fits([*chosen, item], items, caps["top_n"]):
                    chosen.append(item)
            chosen = chosen[: draw.choice([N, 1, 0])]
            left = (i for i in eligible if i not in chosen and _fits([*chosen, i], items, caps["top_n"]))
            longer += [user] if len(chosen) < N and any(left) else []
            lists[user] = chosen
        world = World(
            tmp_path / str(number), lists, users=users, items=items, seen=seen, blocked=blocked, caps=caps
        )
        broken = world.broken()
        assert broken.get("top_n.list_is_full", 0) == len(longer), number
        with world.open() as engine:
            world.violations(engine)
            below = sum(len(chosen) < N for chosen in lists.values())
            named = {"examples": longer[:NAMED]} if longer else {}
            assert counted_short(engine, N) == {"below_n": below, "could_be_longer": len(longer), **named}


def _fits(chosen: list[str], items: dict[str, Any], caps: dict[str, int]) -> bool:
    return all(
        Counter(items[i][place] for i in chosen if items[i][place]).most_common(1)[0][1] <= caps[name]
        for place, name in enumerate(("category", "brand"))
        if name in caps and any(items[i][place] for i in chosen)
    )


def test_new_items_that_nobody_can_have_are_missed_by_nobody(tmp_path: Path) -> None:
    for there in (False, True):
        items = PLAIN | {"i2": ("c0", "b2", there)}
        world = World(tmp_path / str(there), {"ann": ["i1", "i3", "i4"]}, items=items)
        with world.open() as engine:
            world.violations(engine)
            named = {"examples": ["ann"]} if there else {}
            assert (
                counted_new(engine, 2, world.night)
                == {"lists": 1, "lists_below": int(there), "rows": 0} | named
            )


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
        world.violations(engine)
        assert counted_new(engine, 2, world.night) == {
            "lists": 4, "lists_below": 1, "rows": 4, "examples": ["cat"],
        }  # fmt: skip
