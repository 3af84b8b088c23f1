"""What the sample shop sells, in English and in Chinese: vocabulary.toml comes in, typed word lists come out."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

Pair = tuple[str, str]


@dataclass(frozen=True)
class Department:
    """When people look at a top-level category: `busy_hour` is the hour (UTC) of most interest, `weekend` the
    factor of Saturdays and Sundays, `season` the day of the year of most interest."""

    busy_hour: int
    weekend: float
    season: int


@dataclass(frozen=True)
class Kind:
    """What can be said about a kind of thing; `coloured` if its colour is part of the title."""

    coloured: bool
    styles: tuple[Pair, ...]
    features: tuple[Pair, ...]
    uses: tuple[Pair, ...]
    sizes: tuple[Pair, ...]


@dataclass(frozen=True)
class Category:
    """A leaf of the category tree. `mission` numbers the errand that it belongs to; within an errand people
    go from one category to the next in the order written, and from the last to the first."""

    path: str
    noun: Pair
    price: float
    kind: Kind
    mission: int

    @property
    def department(self) -> str:
        return self.path.split(" > ")[0]


def _pairs(entries: list[list[str]]) -> tuple[Pair, ...]:
    return tuple((english, chinese) for english, chinese in entries)


_WORDS = tomllib.loads(Path(__file__).with_name("vocabulary.toml").read_text(encoding="utf-8"))
_KINDS = {
    name: Kind(entry["coloured"], *(_pairs(entry[part]) for part in ("styles", "features", "uses", "sizes")))
    for name, entry in _WORDS["kinds"].items()
}

DEPARTMENTS = {name: Department(**entry) for name, entry in _WORDS["departments"].items()}
CATEGORIES = tuple(
    Category(path, (english, chinese), float(price), _KINDS[kind], number)
    for number, mission in enumerate(_WORDS["missions"])
    for path, english, chinese, price, kind in mission
)
MISSION_COUNT = len(_WORDS["missions"])
BRAND_HEADS = _pairs(_WORDS["brand_heads"])
BRAND_TAILS = _pairs(_WORDS["brand_tails"])
ADJECTIVES = _pairs(_WORDS["adjectives"])
CLOSINGS = _pairs(_WORDS["closings"])
SERIES: tuple[str, ...] = tuple(_WORDS["series"])
COLOURS: tuple[tuple[str, str, float], ...] = tuple(map(tuple, _WORDS["colours"]))
