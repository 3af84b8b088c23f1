"""What a lake holds by layer and night: a store in; pieces that stay or go as a whole, with their sizes, out."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.lake.tables import COMMIT
from pipeline_tasks.publishing.versions import MANIFEST

LAYERS = {
    "raw": ("raw/",),
    "quarantine": ("quarantine/",),
    "clean": ("clean/", "vocabulary/"),
    "features": ("features/",),
    "training": ("training/",),
    "models": ("models/",),
    "staged": ("staged/",),
    "versions": ("recommendations/versions/", "recommendations/verdicts/"),
    "runs": ("runs/",),
    "reports": ("reports/",),
}
EVENTS = "clean/interactions"
# a part of a key that names a night, or a version or model of one
OF_A_NIGHT = re.compile(r"(?:run_date=|ingest_date=)?(\d{4}-\d{2}-\d{2})(?:-[0-9a-f]{12}|\.json)?")
# without these, which are written last, there is no whole table, version or model
SEALS = (COMMIT, MANIFEST, layout.MODEL_CONFIG)


@dataclass(frozen=True)
class Piece:
    """What stays or goes as a whole: a partition, a version, a model, or one object; `sizes` by key, in bytes."""

    layer: str
    table: str
    night: date
    name: str
    sizes: dict[str, int] = field(default_factory=dict, compare=False)

    @property
    def bytes(self) -> int:
        return sum(self.sizes.values())

    @property
    def seal(self) -> str | None:
        """The key of what makes it whole, where it has one."""
        return next((key for key in self.sizes if key.rpartition("/")[2] in SEALS), None)


@dataclass(frozen=True)
class Holdings:
    """All dated pieces of a lake, by layer, oldest first; what has no date in its place is nobody's to remove."""

    store: Store
    layers: dict[str, list[Piece]]

    def whole(self, table: str) -> dict[date, Piece]:
        """Return the table's whole partitions by night, oldest first."""
        return {each.night: each for each in self.named.values() if each.table == table and each.seal}

    @cached_property
    def named(self) -> dict[str, Piece]:
        """Every piece by its name."""
        return {piece.name: piece for pieces in self.layers.values() for piece in pieces}

    def tables(self, layer: str) -> set[str]:
        return {each.table for each in self.layers[layer]}

    @cached_property
    def nights(self) -> list[date]:
        """The nights of the lake, oldest first: those with clean events, and a newer one that is only ingested.

        Neither a record (a refused night has one) nor a clock says which nights there are.
        """
        clean = list(self.whole(EVENTS))
        newest = max(self.whole("raw/interactions"), default=None)
        return [*clean, newest] if newest and (not clean or newest > clean[-1]) else clean


def take_stock(store: Store) -> Holdings:
    """List the lake."""
    return Holdings(store, {layer: _pieces(store, layer) for layer in LAYERS})


def _pieces(store: Store, layer: str) -> list[Piece]:
    found: dict[str, Piece] = {}
    for prefix in LAYERS[layer]:
        for key, size in store.sizes(prefix).items():
            for piece in _piece_of(layer, key):
                found.setdefault(piece.name, piece).sizes[key] = size
    return sorted(found.values(), key=lambda piece: (piece.night, piece.name))


def _piece_of(layer: str, key: str) -> Iterator[Piece]:
    """Yield the piece that the key belongs to, if its place names a night."""
    parts = key.split("/")
    for place, part in enumerate(parts):
        match = OF_A_NIGHT.fullmatch(part)
        if match:
            with suppress(ValueError):  # no day of the calendar
                table, night = "/".join(parts[:place]), date.fromisoformat(match[1])
                yield Piece(layer, table, night, f"{table}/{part}")
            return
