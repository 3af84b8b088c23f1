"""What retention would do: a lake and settings in; by layer what stays, what stays although it is old and why, what goes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.lake import floors
from pipeline_tasks.lake.store import Store, StoreError
from pipeline_tasks.retention import needs
from pipeline_tasks.retention.holdings import LAYERS, Holdings, Piece, take_stock
from pipeline_tasks.retention.needs import Need, Reads
from pipeline_tasks.retention.serving import Serving
from pipeline_tasks.settings import Settings

# What a stage of a night hands on to its next ones, and to later nights: a rerun or backfill may be between two stages
# of any night that can be run again.
OF_NIGHTS_TO_RUN_AGAIN = ("quarantine", "clean", "features", "training", "models", "staged", "versions")


@dataclass(frozen=True)
class LayerPlan:
    """A layer: nights from `since` on stay; `although` has those older ones that stay, with why; the rest goes.

    `budget` is the bytes that it may have, where a number is set.
    """

    name: str
    since: date
    stays: list[Piece]
    although: dict[Piece, str]
    goes: list[Piece]
    budget: int | None

    @property
    def bytes(self) -> int:
        """Bytes that stay."""
        return sum(piece.bytes for piece in (*self.stays, *self.although))

    @property
    def freed(self) -> int:
        """Bytes that go."""
        return sum(piece.bytes for piece in self.goes)


@dataclass(frozen=True)
class Plan:
    """`floor` is the oldest night that can be run again afterwards, `newest` the one that all is counted from."""

    floor: date
    newest: date
    layers: list[LayerPlan]

    @property
    def goes(self) -> list[Piece]:
        return [piece for layer in self.layers for piece in layer.goes]


def plan(store: Store, settings: Settings) -> Plan | None:
    """Return what would stay and go; None for a lake without a night. The newest night is the only clock.

    Raises Refused where what must stay cannot be known, as an object that says so is damaged.
    """
    try:
        return _plan(store, settings)
    except (Refused, StoreError):
        raise
    except (NightjarError, ValueError, TypeError, KeyError) as error:
        raise Refused(
            f"an object of {store.uri} that says what must stay is damaged: {error}", "nothing was removed"
        ) from error


def _plan(store: Store, settings: Settings) -> Plan | None:
    holdings = take_stock(store)
    if not holdings.nights:
        return None
    floor = max(_floor(holdings, settings), floors.read(store) or date.min)
    reads = Reads(holdings, settings, floor)
    why: dict[Piece, str] = {}
    for piece, reason in _needs(reads):
        why.setdefault(piece, reason)
    return Plan(floor, holdings.nights[-1], [_layer(reads, name, why) for name in LAYERS])


def _needs(reads: Reads) -> Iterator[Need]:
    serving = Serving(reads)
    yield from serving.of_versions()
    yield from serving.of_releases()
    yield from serving.of_models()
    yield from needs.of_raw(reads)
    yield from needs.of_clean(reads)
    yield from needs.of_features(reads)


def _floor(holdings: Holdings, settings: Settings) -> date:
    """Return the oldest night whose raw arrivals stay: what it needs stays with it."""
    for since in _cuts(holdings, settings, "raw"):
        needed = {piece for piece, _ in needs.of_raw(Reads(holdings, settings, since))}
        if _fits(holdings, settings, "raw", since, needed):
            break
    return since


def _layer(reads: Reads, name: str, why: dict[Piece, str]) -> LayerPlan:
    holdings, settings, floor = reads.holdings, reads.settings, reads.floor
    for since in _cuts(holdings, settings, name):
        if _fits(holdings, settings, name, since, set(why)):
            break
    if name in OF_NIGHTS_TO_RUN_AGAIN:
        since = min(since, floor)
    old = [piece for piece in holdings.layers[name] if piece.night < since]
    return LayerPlan(
        name,
        since,
        stays=[piece for piece in holdings.layers[name] if piece.night >= since],
        although={piece: why[piece] for piece in old if piece in why},
        goes=[piece for piece in old if piece not in why],
        budget=settings.retention.bytes.get(name),
    )


def _cuts(holdings: Holdings, settings: Settings, layer: str) -> list[date]:
    """Return the nights that a layer may begin with, the one that the settings name first, the newest last."""
    return holdings.nights[-settings.retention.nights[layer] :]


def _fits(holdings: Holdings, settings: Settings, layer: str, since: date, needed: set[Piece]) -> bool:
    budget = settings.retention.bytes.get(layer)
    stays = (piece.bytes for piece in holdings.layers[layer] if piece.night >= since or piece in needed)
    return budget is None or sum(stays) <= budget
