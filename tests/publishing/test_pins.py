"""Pins as queries: which have their place, which give way to others, and which have no effect at all."""

from pathlib import Path

from pipeline_tasks.publishing.list_rules import counted_new
from pipeline_tasks.publishing.pins import _some_names, counted_pins, without_effect
from tests.publishing.list_world import PLAIN, World


def test_pins_and_new_items_are_counted_where_they_could_have_been(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        {"ann": ["i1", "i2", "i3"], "bob": ["i3", "i1"], "cat": ["i4", "i5"], "dan": ["i2", "i5", "i6"]},
        items=PLAIN,
        seen={"cat": ["i1"]},
        pins=[("", "i1", 3), ("country=dan", "i2", 1), ("country=ann", "i4", 2), ("", "nope", 1)],
    )
    with world.open() as engine:
        world.violations(engine)
        # bob's is at the end of a list of two; ann's stands higher than it should, dan's is not there
        assert counted_pins(engine, "top_n", world.night) == {
            "placed": 2, "missing": 3, "examples": ["ann", "dan"],
        }  # fmt: skip
        assert counted_new(engine, 1, world.night) == {
            "lists": 4, "lists_below": 2, "rows": 2, "examples": ["bob", "cat"],
        }  # fmt: skip


def test_a_pin_that_gives_way_to_one_of_an_earlier_say_is_not_missed(tmp_path: Path) -> None:
    """Bob's own pin is of what he has seen, so that everybody's hold for him; dan has no pin of his own."""
    world = World(
        tmp_path,
        {"ann": ["i3", "i1", "i4"], "bob": ["i1", "i4", "i2"], "dan": ["i5", "i6", "i1"]},
        items=PLAIN,
        seen={"bob": ["i3"]},
        pins=[("country=ann", "i3", 1), ("country=bob", "i3", 1), ("country=ann", "i2", 3),
              ("", "i1", 1), ("", "i2", 2), ("", "i4", 3)],
        popular={"all": ["i3", "i5", "i4"], "country=bob": ["i3", "i5", "i1"]},
    )  # fmt: skip
    with world.open() as engine:
        world.violations(engine)
        # ann's i3 is placed and her i2 is not; bob's i1 alone is placed; dan's are all missed
        assert counted_pins(engine, "top_n", world.night) == {
            "placed": 2, "missing": 6, "examples": ["ann", "bob", "dan"],
        }  # fmt: skip
        # of lists by name, those that lack two of them once
        assert counted_pins(engine, "popular", world.night) == {
            "placed": 2, "missing": 4, "examples": ["all", "country=bob"],
        }  # fmt: skip


def test_pins_behind_a_short_lists_end_stand_there_one_after_the_other(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        {"ann": ["i1", "i2", "i3", "i4"], "bob": ["i1", "i3", "i2", "i4"], "cat": ["i3", "i4"]},
        items=PLAIN,
        pins=[("", "i4", 9), ("", "i3", 6), ("", "i2", 2)],
    )
    with world.open() as engine:
        world.violations(engine)
        # bob's i3 and i2 are each in the other's place, cat's i2 is not there
        assert counted_pins(engine, "top_n", world.night) == {
            "placed": 6, "missing": 3, "examples": ["bob", "cat"],
        }  # fmt: skip


def test_pins_of_what_is_not_there_are_told_with_their_key_and_what_there_is(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        {name: ["i1", "i3"] for name in ("ann", "bob", "cat", "dan")},
        items=PLAIN | {"i4": ("c0", "b4", False)},
        blocked=[("", "i5"), ("", "i5"), ("", "i4"), ("ann", "i1")],
        pins=[("country=ann", "i1", 1), ("DE", "i1", 2), ("all", "nope", 3), ("", "i5", 1), ("", "i6", 2)],
        popular={"all": ["i1"], "country=ann": ["i1"]},
    )
    keys = ["k0", "k1", "k2", "k3", "k4"]
    with world.open() as engine:
        world.violations(engine)
        told = without_effect(engine, "top_n", keys)
        assert without_effect(engine, "popular", keys)[0] == (
            "k1: no list of popular is called 'DE' (there are 2: 'all', 'country=ann'), so that the pin of 'i1' has "
            "no effect there; mend its list, or its tables"
        )
        engine.execute("DELETE FROM names")
        assert _some_names(engine) == "none"
    assert told[0].startswith(
        "k1: no list of top_n is called 'DE' (there are 4: 'country=ann', 'country=bob', 'country=cat', …), so"
    )
    assert told[1].startswith("k2: there is no item 'nope', ")
    assert told[2].startswith("k3: item 'i5' is blocked for everybody ")
    assert len(told) == 3


def test_a_pin_of_an_item_in_its_own_list_is_told_where_lists_are_of_neighbours(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        {"i1": ["i2"]},
        items=PLAIN,
        similar={"i1": ["i2", "i3"], "i2": ["i1"]},
        pins=[("i1", "i1", 1), ("i1", "i2", 1), ("", "i1", 1)],
    )
    with world.open() as engine:
        world.violations(engine)
        (told,) = without_effect(engine, "similar_items", ["k0", "k1", "k2"])
    assert told.startswith(
        "k0: no item is its own neighbour, so that the pin of 'i1' in its own list of similar_"
    )
