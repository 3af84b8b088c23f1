"""The settings of the rules over lists: what is left out, how often, how new, how diverse, and what stands where."""

from collections.abc import Collection
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline_tasks.settings.models import RecommendSettings
from pipeline_tasks.settings.source import Section

ListTable = Literal["top_n", "similar_items", "popular"]
LIST_TABLES: tuple[ListTable, ...] = ("top_n", "similar_items", "popular")


class Caps(Section):
    """How many rows of one list may share an attribute; items without a value are not counted."""

    category: int | None = Field(None, ge=1)
    """Rows of one category."""
    brand: int | None = Field(None, ge=1)
    """Rows of one brand."""


class NewItems(Section):
    days: int = Field(14, ge=1)
    """An item is new for so many days after it appeared, or was first touched."""
    share: float = Field(0.0, ge=0, le=1)
    """Share of a user's N places that are new items, as far as there are such, and of every beginning of the list."""


class Dated(Section):
    tables: tuple[ListTable, ...] = Field(("top_n",), min_length=1)
    """The tables whose lists it is for."""
    since: date | None = None
    """The first run date that it holds for; by default it always did."""
    until: date | None = None
    """The last run date that it holds for; by default it always will."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.since and self.until and self.until < self.since:
            raise ValueError(f"until: {self.until} is before since, {self.since}")
        return self

    def holds(self, run_date: date) -> bool:
        """Whether it holds for the night."""
        return (self.since or run_date) <= run_date <= (self.until or run_date)

    def meets(self, other: "Dated") -> bool:
        """Whether some night's lists of a table are for both."""
        begins, ends = (date.min, date.max)
        together = max(self.since or begins, other.since or begins) <= min(
            self.until or ends, other.until or ends
        )
        return together and bool(set(self.tables) & set(other.tables))


class Pin(Dated):
    """An item that has its place in lists, wherever it can be had."""

    item: str
    """The source's id of the item."""
    rank: int = Field(ge=1)
    """Its place."""
    list: str = ""
    """A segment ("country=DE": its users' lists and its popular list), "all" (that of popular alone), or the item whose
    neighbours are meant; by default every list of the tables."""


class Boost(Dated):
    """Items that are ranked as if they stood some places higher. What is named of item, category, brand must all fit."""

    item: str | None = None
    """The source's id of the item."""
    category: str | None = None
    """A category's path from the root, with everything below it."""
    brand: str | None = None
    """A brand."""
    places: int
    """How many places higher; a negative number is lower."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.item is None and self.category is None and self.brand is None:
            raise ValueError("a boost names an item, a category or a brand")
        return self


class RulesSettings(Section):
    candidates: int = Field(200, ge=1)
    """Items of each list that rules choose from (more, where the list with its spares is longer)."""
    seen: dict[str, int] = {}
    """Event type = days: what the user had such an event with in the last days is left out; 0 for ever. By default
    `recommend.exclude_seen` says."""
    blocked_items: tuple[str, ...] = ()
    """Items that are in nobody's list."""
    blocked_users: tuple[str, ...] = ()
    """Users who get no list."""
    blocked: str = ""
    """Further blocks: CSV or Parquet files (relative to `data`, or file:// or s3://) of user_id and item_id: the item
    is not for this user. Without a user it is for nobody, without an item the user gets no list."""
    caps: dict[Annotated[ListTable, "table"], Caps] = {}
    """Table = how many rows of a list may be of one category or brand."""
    category_level: int = Field(0, ge=0)
    """Levels of a category's path that caps tell apart; 0 all of them."""
    new_items: NewItems = NewItems()
    """The least share of new items in users' lists."""
    diversity: float = Field(0.0, ge=0, lt=1)
    """How much unlikeness to what stands above counts in users' lists, against the rank that the model gives (MMR)."""
    pins: tuple[Pin, ...] = ()
    """Items with a place."""
    boosts: tuple[Boost, ...] = ()
    """Items ranked higher or lower."""

    @model_validator(mode="after")
    def _days_are_not_negative(self) -> Self:
        wrong = next((kind for kind, days in self.seen.items() if days < 0), None)
        if wrong is not None:
            raise ValueError(f"seen: {wrong} is {self.seen[wrong]} days; 0 is for ever, else days from 1")
        return self

    @model_validator(mode="after")
    def _pins_do_not_clash(self) -> Self:
        for number, pin in enumerate(self.pins):
            for other in self.pins[:number]:
                if pin.list == other.list and pin.meets(other):
                    if pin.rank == other.rank:
                        raise ValueError(
                            f"pins: {other.item!r} and {pin.item!r} have both rank {pin.rank} of the same lists"
                        )
                    if pin.item == other.item:
                        raise ValueError(
                            f"pins: {pin.item!r} has ranks {other.rank} and {pin.rank} of the same lists"
                        )
        return self

    @property
    def declared(self) -> bool:
        """Whether there is any rule."""
        asked = self.model_dump(exclude={"candidates", "category_level", "new_items", "caps"})
        capped = any(limit for caps in self.caps.values() for limit in caps.model_dump().values())
        return any(asked.values()) or self.new_items.share > 0 or capped

    def pins_of(self, table: ListTable, run_date: date) -> list[Pin]:
        """Return the table's pins of the night in the order of their say: those of single lists before those of all."""
        pins = [pin for pin in self.pins if table in pin.tables and pin.holds(run_date)]
        return sorted(pins, key=lambda pin: (not pin.list, pin.rank))

    def cap(self, table: ListTable) -> dict[str, int]:
        """Return the table's caps by attribute."""
        return {k: most for k, most in self.caps.get(table, Caps()).model_dump().items() if most}


def fit_together(rules: RulesSettings, lists: RecommendSettings, event_types: Collection[str]) -> None:
    """Raise ValueError where rules do not fit the lists' settings, or name events that no source declares."""
    if rules.seen and lists.exclude_seen:
        raise ValueError(
            "rules.seen says which events leave an item out, and recommend.exclude_seen that all do: "
            "set recommend.exclude_seen to false"
        )
    strange = sorted(set(rules.seen) - set(event_types))
    if strange and event_types:
        raise ValueError(
            f"rules.seen: no source has the event type {strange[0]!r}; there are {', '.join(sorted(event_types))}"
        )
    places = {"top_n": lists.n, "similar_items": lists.similar, "popular": lists.popular}
    for pin in rules.pins:
        if pin.list == "all" and set(pin.tables) != {"popular"}:
            raise ValueError(
                f'rules.pins: {pin.item!r} has list = "all", which only popular has, and its tables are '
                f"{', '.join(pin.tables)}; leave list empty for every list of these, or pin it in popular alone"
            )
        for table in pin.tables:
            if pin.rank > places[table]:
                raise ValueError(
                    f"rules.pins: {pin.item!r} has rank {pin.rank}, and a list of {table} has {places[table]} places"
                )
