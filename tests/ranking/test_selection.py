"""Places are filled as a loop over one list at a time fills them, whatever the rules."""

import numpy as np
import pytest

from pipeline_tasks.ranking import selection
from pipeline_tasks.ranking.selection import Cap, Rules, choose, least_new

ITEMS = 40


def one_list(
    candidates: list[int], places: int, rules: Rules, fixed: list[int], alike: np.ndarray
) -> tuple[list[int], dict[str, int]]:
    """Return the chosen columns and what was passed over, by the definition, for one list."""
    removed = {cap.name: 0 for cap in rules.caps}
    removed |= {"diversity": 0} if rules.diversity else {}
    removed |= {"new_items": 0} if rules.new is not None else {}
    columns = [c for c, item in enumerate(candidates) if item]
    if rules.lifts is not None:
        lifts = [int(rules.lifts[item]) for item in candidates]
        columns.sort(key=lambda c: c - lifts[c] - np.sign(lifts[c]) / 2)
    worth = {c: np.float32(1 - place / max(1, len(columns))) for place, c in enumerate(columns)}
    order = {c: place for place, c in enumerate(columns)}
    taken: dict[int, int] = {}

    def value(column: int, above: list[int]) -> np.float32:
        near = max((alike[candidates[column], item] for item in above), default=0)
        return np.float32((1 - rules.diversity) * worth[column]) - np.float32(rules.diversity * near)

    def full(column: int) -> str | None:
        for cap in rules.caps:
            group = cap.groups[candidates[column]]
            if group and sum(cap.groups[candidates[c]] == group for c in taken.values()) >= cap.most:
                return cap.name
        return None

    shut: dict[int, str] = {}

    def note() -> None:
        for column in columns:
            if column not in shut and column not in taken.values() and (name := full(column)):
                shut[column] = name

    for place, column in enumerate(fixed):
        if column >= 0 and not full(column):
            taken[place] = column
            note()
    for column in fixed:
        if column >= 0 and column not in taken.values():
            columns.remove(column)
            shut.pop(column, None)
    by_rank = []
    have = 0
    for place in range(places):
        if place not in taken:
            left = [c for c in columns if c not in taken.values() and not full(c)]
            if left:
                some = left
                if rules.new is not None and have < rules.needed[place]:
                    some = [c for c in left if rules.new[candidates[c]]] or left
                    removed["new_items"] += not rules.new[candidates[left[0]]] and some is not left
                best = some[0]
                if rules.diversity:
                    above = [candidates[c] for c in taken.values()]
                    best = max(some, key=lambda c, above=above: (value(c, above), -order[c]))
                    removed["diversity"] += best != some[0]
                taken[place] = best
                by_rank.append(order[best])
                note()
        if place in taken and rules.new is not None:
            have += bool(rules.new[candidates[taken[place]]])
    whole = len(taken) == places
    for column, name in shut.items():
        removed[name] += not whole or order[column] < max(by_rank, default=-1)
    return [taken[place] for place in sorted(taken)], removed


def world(seed: int) -> tuple[np.ndarray, int, Rules, np.ndarray | None, np.ndarray]:
    """Return random candidates, places, rules and pins; likenesses are eighths, so that sums are exact."""
    draw = np.random.default_rng(seed)
    width, lists, places = int(draw.integers(1, 25)), 7, int(draw.integers(1, 15))
    items = np.zeros((lists, width), np.int32)
    for row in items:
        some = draw.permutation(np.arange(1, ITEMS + 1))[: draw.integers(0, width + 1)]
        row[: len(some)] = some
    caps = [
        Cap(name, draw.integers(0, groups, ITEMS + 1).astype(np.int32), int(draw.integers(1, 4)))
        for name, groups in (("category_cap", 5), ("brand_cap", 9))
        if draw.random() < 0.6
    ]
    share = float(draw.choice([0.0, 0.1, 0.25, 1 / 3, 0.5, 1.0]))
    half = draw.integers(0, 9, (ITEMS + 1, ITEMS + 1)) / 8
    alike = np.maximum(half, half.T).astype(np.float32)
    diversity = float(draw.choice([0.0, 0.0, 0.5]))
    rules = Rules(
        caps=caps,
        lifts=draw.integers(-5, 20, ITEMS + 1) * (draw.random(ITEMS + 1) < 0.2)
        if draw.random() < 0.5
        else None,
        new=draw.random(ITEMS + 1) < 0.3 if share else None,
        needed=least_new(share, max(1, places - 3), places),
        likeness=(lambda shown: alike[shown[:, :, None], shown[:, None, :]]) if diversity else None,
        diversity=diversity,
    )
    fixed = None
    if draw.random() < 0.5:
        fixed = np.full((lists, places), -1, np.int64)
        for row, shown in enumerate(items):
            known = draw.permutation(np.flatnonzero(shown))[: draw.integers(0, 4)][:places]
            fixed[row, draw.permutation(places)[: len(known)]] = known
    return items, places, rules, fixed, alike


@pytest.mark.parametrize("lists_at_once", [3, 256])
def test_any_rules_choose_what_a_loop_over_each_list_chooses(
    monkeypatch: pytest.MonkeyPatch, lists_at_once: int
) -> None:
    monkeypatch.setattr(selection, "LISTS_AT_ONCE", lists_at_once)
    for seed in range(150):
        items, places, rules, fixed, alike = world(seed)
        chosen = choose(items, places, rules, fixed)
        removed: dict[str, int] = {}
        for row, shown in enumerate(items.tolist()):
            own = [-1] * places if fixed is None else fixed[row].tolist()
            expected, passed = one_list(shown, places, rules, own, alike)
            found = chosen.columns[row]
            assert found[found >= 0].tolist() == expected, (seed, row)
            assert (found[len(expected) :] == -1).all()
            removed = {name: removed.get(name, 0) + count for name, count in passed.items()}
        assert chosen.removed == removed, seed


def chosen_items(
    items: list[int], places: int, rules: Rules, pins: dict[int, int] | None = None
) -> list[int]:
    shown = np.array([items], np.int32)
    fixed = np.full((1, places), -1, np.int64)
    for rank, item in (pins or {}).items():
        fixed[0, rank - 1] = items.index(item)
    found = choose(shown, places, rules, fixed).columns[0]
    return [items[column] for column in found if column >= 0]


def by_parity(most: int) -> Cap:
    return Cap("category_cap", np.arange(ITEMS + 1, dtype=np.int32) % 2 + 1, most)


def test_a_cap_smaller_than_the_list_leaves_it_short() -> None:
    assert chosen_items([1, 3, 5, 2, 4, 6], 6, Rules(caps=[by_parity(2)])) == [1, 3, 2, 4]


def test_items_without_a_group_are_not_capped() -> None:
    groups = np.zeros(ITEMS + 1, np.int32)
    assert chosen_items([1, 2, 3], 3, Rules(caps=[Cap("brand_cap", groups, 1)])) == [1, 2, 3]


def test_a_pin_goes_before_the_others_of_its_group_and_gives_way_to_the_pin_above_it() -> None:
    rules = Rules(caps=[by_parity(1)])
    assert chosen_items([1, 2, 3, 4], 4, rules, {2: 3}) == [2, 3]
    assert chosen_items([1, 2, 3, 4], 4, rules, {1: 3, 2: 1}) == [3, 2]


def test_a_pin_below_the_end_of_a_list_moves_up_to_it() -> None:
    assert chosen_items([1, 2, 3], 9, Rules(), {8: 1}) == [2, 3, 1]


def test_a_boost_lifts_by_places_and_buries_by_fewer_than_none() -> None:
    lifts = np.zeros(ITEMS + 1, np.int64)
    lifts[[5, 1]] = 3, -1
    assert chosen_items([1, 2, 3, 4, 5], 5, Rules(lifts=lifts)) == [5, 2, 1, 3, 4]


def test_new_items_come_as_often_as_is_promised_in_every_beginning() -> None:
    new = np.zeros(ITEMS + 1, bool)
    new[[7, 8, 9]] = True
    rules = Rules(new=new, needed=least_new(0.5, 4, 6))
    assert chosen_items([1, 2, 3, 4, 5, 6, 7, 8, 9], 6, rules) == [1, 7, 2, 8, 3, 9]
    assert chosen_items([1, 2, 3, 4, 5, 6, 7], 6, rules) == [1, 7, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("share", "n", "places", "expected"),
    [
        (0.0, 3, 5, [0, 0, 0, 0, 0]),
        (1.0, 3, 4, [1, 2, 3, 4]),
        (0.1, 5, 10, [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]),
        (0.5, 3, 4, [0, 1, 2, 2]),
        (0.9, 2, 2, [1, 2]),
        (0.3, 10, 10, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]),
    ],
)
def test_the_least_share_is_rounded_up_for_the_list_and_down_for_its_beginnings(
    share: float, n: int, places: int, expected: list[int]
) -> None:
    assert least_new(share, n, places).tolist() == expected


@pytest.mark.parametrize("strength", [0.0, 0.9])
def test_diversity_passes_over_what_is_like_the_items_above(strength: float) -> None:
    def alike(shown: np.ndarray) -> np.ndarray:
        return (shown[:, :, None] % 2 == shown[:, None, :] % 2).astype(np.float32)

    rules = Rules(likeness=alike if strength else None, diversity=strength)
    assert chosen_items([1, 3, 5, 2, 4], 3, rules) == ([1, 3, 5] if not strength else [1, 2, 3])


@pytest.mark.parametrize("shape", [(0, 5), (4, 0), (3, 5)])
def test_lists_without_candidates_are_empty(shape: tuple[int, int]) -> None:
    found = choose(np.zeros(shape, np.int32), 3, Rules(caps=[by_parity(1)]))
    assert found.columns.tolist() == [[-1, -1, -1]] * shape[0]
