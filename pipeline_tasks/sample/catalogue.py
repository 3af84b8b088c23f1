"""The items of a sample shop: a plan comes in, arrays with one entry an item come out, with every change of
price and availability and with the planted item-to-item sequences."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.sample import vocabulary as words
from pipeline_tasks.sample.plan import DAY_SECONDS, HISTORY_DAYS, Plan

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NEW_SHARE = 0.15  # items that appear within the days
POPULARITY_EXPONENT = 1.1  # of the Zipf law
RISING_SHARE = FALLING_SHARE = 0.10
PRICE_CHANGES_PER_DAY = 0.02
SOLD_OUT_SHARE = 0.025  # unavailable at the end
PAUSED_SHARE = 0.03  # unavailable for some days, then back
# Of a view's followers: two of the next category of the errand, one of the same, one of the one after next.
FOLLOWER_STEPS = (1, 1, 0, 2)
FOLLOWER_WEIGHTS = (0.55, 0.25, 0.12, 0.08)

ODD_IDS = ("sku/00007", 'sku-"0011"', "sku-☕", "茶壶-一号", "../sku-00019", "sku, 23")


@dataclass(frozen=True)
class Changes:
    """Changes of items over time, in order of item and time: `value` is a price, or 1 and 0 for available."""

    item: Ints
    time: Ints
    value: Floats


@dataclass(frozen=True)
class Catalogue:
    """One entry an item. `appeared_day` is negative for items that were there before the first day.

    `followers` (items, 4) are the items that people look at next, in falling order of likelihood.
    """

    ids: list[str]
    category: Ints
    brand: Ints
    colour: Ints
    draws: Ints
    popularity: Floats
    trend: Floats
    appeared: Ints
    appeared_day: Ints
    price: Floats
    followers: Ints
    prices: Changes
    availability: Changes

    def __len__(self) -> int:
        return len(self.ids)


def make_catalogue(plan: Plan) -> Catalogue:
    """Draw the whole catalogue of `plan`, items of later days included."""
    rng, n = plan.rng(1), plan.items
    category = rng.permutation(np.arange(n) % len(words.CATEGORIES))
    popularity: Floats = np.power(np.arange(n) + 3.0, -POPULARITY_EXPONENT)
    rng.shuffle(popularity)
    appeared = _appearances(plan, rng)
    usual = np.array([entry.price for entry in words.CATEGORIES])[category]
    price = _shop_price(usual * rng.lognormal(0.0, 0.35, n))
    return Catalogue(
        ids=_item_ids(n),
        category=category,
        brand=_brands(category, rng),
        colour=rng.integers(0, len(words.COLOURS), n),
        draws=rng.integers(0, 5_040, (n, 10)),
        popularity=popularity,
        trend=_trends(n, rng),
        appeared=appeared,
        appeared_day=(appeared - plan.start) // DAY_SECONDS,
        price=price,
        followers=_followers(category, popularity, rng),
        prices=_price_changes(plan, appeared, price, rng),
        availability=_availability_changes(plan, appeared, rng),
    )


def _item_ids(n: int) -> list[str]:
    width = max(5, len(str(n)))
    ids = [f"sku-{number:0{width}d}" for number in range(1, n + 1)]
    if n >= 10 * len(ODD_IDS):
        for number, odd in enumerate(ODD_IDS):
            ids[7 + 5 * number] = odd
    return ids


def _brands(category: Ints, rng: np.random.Generator) -> Ints:
    """Give each department six brands of its own choice; an item has one of its department's."""
    departments = sorted(words.DEPARTMENTS)
    brands = len(words.BRAND_HEADS) * len(words.BRAND_TAILS)
    offered = np.stack([rng.choice(brands, 6, replace=False) for _ in departments])
    department = np.array([departments.index(entry.department) for entry in words.CATEGORIES])[category]
    return np.asarray(offered[department, rng.integers(0, 6, len(category))])


def _appearances(plan: Plan, rng: np.random.Generator) -> Ints:
    """Draw when each item appears; a share of them is spread evenly over the days, for every day to have some."""
    n = plan.items
    new = min(n // 2, max(plan.days, round(NEW_SHARE * n)))
    appeared = plan.start - rng.integers(1, HISTORY_DAYS * DAY_SECONDS, n)
    days = np.arange(new) % plan.days
    appeared[rng.permutation(n)[:new]] = plan.start + days * DAY_SECONDS + rng.integers(0, DAY_SECONDS, new)
    return appeared


def _trends(n: int, rng: np.random.Generator) -> Floats:
    """Return by how much the log of an item's popularity moves from the first day to the last."""
    draw = rng.random(n)
    trend = rng.normal(0.0, 0.15, n)
    trend[draw < RISING_SHARE] += 2.5
    trend[draw > 1 - FALLING_SHARE] -= 2.5
    return trend


def _followers(category: Ints, popularity: Floats, rng: np.random.Generator) -> Ints:
    """Draw each item's likely next items from the neighbouring categories of its errand; never itself."""
    n, steps = len(category), _category_steps()
    order = np.argsort(category, kind="stable")
    bounds = np.searchsorted(category[order], np.arange(len(words.CATEGORIES) + 1))
    mass = np.concatenate([[0.0], np.cumsum(popularity[order] ** 0.4)])
    followers = np.empty((n, len(FOLLOWER_STEPS)), np.int64)
    for slot, step in enumerate(FOLLOWER_STEPS):
        target = steps[step][category]
        low, high = bounds[target], bounds[target + 1]
        low, high = np.where(high > low, low, 0), np.where(high > low, high, n)
        drawn = mass[low] + rng.random(n) * (mass[high] - mass[low])
        place = np.clip(np.searchsorted(mass, drawn, side="right") - 1, low, high - 1)
        place = np.where(order[place] == np.arange(n), low + (place - low + 1) % (high - low), place)
        followers[:, slot] = order[place]
    return followers


def _category_steps() -> dict[int, Ints]:
    """Return, for 0, 1 and 2 steps, the category that many places further in the same errand."""
    mission = np.array([entry.mission for entry in words.CATEGORIES])
    first = np.searchsorted(mission, mission)
    length = np.searchsorted(mission, mission, side="right") - first
    place = np.arange(len(mission)) - first
    return {step: first + (place + step) % length for step in (0, 1, 2)}


def next_category() -> Ints:
    """Return each category's next one within its errand."""
    return _category_steps()[1]


def _shop_price(value: Floats) -> Floats:
    """Round to prices that end in .49 or .99."""
    return np.maximum(np.round(value * 2) / 2 - 0.01, 0.49).round(2)


def _price_changes(plan: Plan, appeared: Ints, price: Floats, rng: np.random.Generator) -> Changes:
    """Draw reductions and rises, at most one an item and day, all after the item appeared."""
    count = rng.poisson(PRICE_CHANGES_PER_DAY * plan.items * plan.days)
    cell = np.unique(rng.integers(0, plan.items * plan.days, count))
    item, day = np.divmod(cell, plan.days)
    time = plan.start + day * DAY_SECONDS + rng.integers(0, DAY_SECONDS, len(cell))
    factor = np.where(
        rng.random(len(cell)) < 0.6, rng.uniform(0.7, 0.92, len(cell)), rng.uniform(0.97, 1.12, len(cell))
    )
    kept = time > appeared[item] + 3_600
    item, time = item[kept], time[kept]
    return Changes(item, time, _shop_price(price[item] * factor[kept]))


def _availability_changes(plan: Plan, appeared: Ints, rng: np.random.Generator) -> Changes:
    """Let a few items sell out for good and a few more for some days."""
    gone, paused = round(SOLD_OUT_SHARE * plan.items), round(PAUSED_SHARE * plan.items)
    chosen = rng.permutation(plan.items)[: gone + paused]
    begin = np.maximum(appeared[chosen] + 3_600, plan.start)
    off = begin + (rng.random(len(chosen)) * 0.9 * (plan.stop - begin)).astype(np.int64)
    back = off + rng.integers(DAY_SECONDS, 6 * DAY_SECONDS, len(chosen))
    returns = (np.arange(len(chosen)) >= gone) & (back < plan.stop)
    leaves = (off < plan.stop) & (off > appeared[chosen])
    item = np.concatenate([chosen[leaves], chosen[leaves & returns]])
    time = np.concatenate([off[leaves], back[leaves & returns]])
    value = np.concatenate([np.zeros(leaves.sum()), np.ones((leaves & returns).sum())])
    order = np.lexsort((time, item))
    return Changes(item[order], time[order], value[order])
