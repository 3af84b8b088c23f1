"""The shop on one day: the catalogue and the day's number come in, what is on sale and how likely it is to be
looked at come out."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.sample import vocabulary as words
from pipeline_tasks.sample.catalogue import Catalogue
from pipeline_tasks.sample.plan import DAY_SECONDS, Plan

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FRESHNESS_BOOST = 4.0  # a new item's extra interest on its first day on sale
FRESHNESS_DAYS = 4.0  # after which the boost has fallen to a third
PRICE_ELASTICITY = 1.5  # interest grows with (usual price / price) to this power
SEASON_STRENGTH = 0.6


@dataclass(frozen=True)
class Shelf:
    """What is on sale on a day.

    `mass` (items + 1) is the running sum of the items' weights in `order`, which goes by category; the
    items of category c stand at `bounds[c]`..`bounds[c + 1]`. `expensive` places an item's price within
    its category, 0 to 1, and `momentum` is by how much the log of its popularity has moved. `interest` (clusters, 24, categories) is a running sum with each row ending in one.
    """

    on_sale: NDArray[np.bool_]
    order: Ints
    bounds: Ints
    mass: Floats
    expensive: Floats
    momentum: Floats
    interest: Floats


class Shop:
    """Goes through the days in order, and keeps each item's price and availability up to date.

    An item is on sale from the day after it appeared until it sells out; changes of price count from the
    day after.
    """

    def __init__(self, plan: Plan, catalogue: Catalogue, tastes: Floats) -> None:
        self._plan, self._catalogue, self._tastes = plan, catalogue, tastes
        self._price = catalogue.price.copy()
        self._available = np.ones(len(catalogue), bool)
        self._order = np.argsort(catalogue.category, kind="stable")
        categories = np.arange(len(words.CATEGORIES) + 1)
        self._bounds = np.searchsorted(catalogue.category[self._order], categories)
        usual = np.array([entry.price for entry in words.CATEGORIES])
        self._relative = np.log(catalogue.price / usual[catalogue.category])

    def shelf(self, day: int) -> Shelf:
        """Return the shelf of day number `day`; to be asked for day after day."""
        self._apply_changes(day)
        catalogue = self._catalogue
        on_sale = (catalogue.appeared_day < day) & self._available
        if not on_sale.any():
            on_sale = catalogue.appeared_day < day
        weights = np.where(on_sale, self._weights(day), 0.0)
        mass = np.concatenate([[0.0], np.cumsum(weights[self._order])])
        drift = np.log(self._price / catalogue.price)
        expensive = np.clip(0.5 + 0.5 * (self._relative + drift), 0.0, 1.0)
        category_mass = mass[self._bounds[1:]] - mass[self._bounds[:-1]]
        interest = self._interest(day, category_mass)
        return Shelf(on_sale, self._order, self._bounds, mass, expensive, self._momentum(day), interest)

    def _apply_changes(self, day: int) -> None:
        prices, availability = self._catalogue.prices, self._catalogue.availability
        changed = (prices.time - self._plan.start) // DAY_SECONDS == day - 1
        self._price[prices.item[changed]] = prices.value[changed]
        moved = (availability.time - self._plan.start) // DAY_SECONDS
        back = (availability.value == 1) & (moved == day - 1)
        gone = (availability.value == 0) & (moved == day)
        self._available[availability.item[back]] = True
        self._available[availability.item[gone]] = False

    def _weights(self, day: int) -> Floats:
        """Popularity, moved by trend, freshness and price."""
        catalogue = self._catalogue
        age = np.maximum(day - catalogue.appeared_day, 0)
        fresh = 1.0 + FRESHNESS_BOOST * np.exp(-age / FRESHNESS_DAYS)
        cheap = (catalogue.price / self._price) ** PRICE_ELASTICITY
        return np.asarray(catalogue.popularity * np.exp(self._momentum(day)) * fresh * cheap)

    def _momentum(self, day: int) -> Floats:
        return self._catalogue.trend * ((day + 0.5) / self._plan.days - 0.5)

    def _interest(self, day: int, category_mass: Floats) -> Floats:
        """How likely each cluster is to begin with each category, by the hour of this day."""
        date = self._plan.day(day)
        departments = [words.DEPARTMENTS[entry.department] for entry in words.CATEGORIES]
        season = np.array([_wave(date.timetuple().tm_yday, entry.season, 365) for entry in departments])
        weekend = np.array([entry.weekend for entry in departments]) if date.weekday() >= 5 else 1.0
        hours = np.array([[_wave(hour, entry.busy_hour, 24) for entry in departments] for hour in range(24)])
        depth = np.where(category_mass > 0, (category_mass + 1e-12) ** 0.5, 0.0)
        weights = (
            self._tastes[:, None, :]
            * np.exp(0.5 * hours + SEASON_STRENGTH * season)[None]
            * (weekend * depth)
        )
        total = np.cumsum(weights, axis=2)
        return np.asarray(total / total[:, :, -1:])


def _wave(at: float, peak: float, period: float) -> float:
    return math.cos(2 * math.pi * (at - peak) / period)
