"""A plan in, lines for people or an object for programs out."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from pipeline_tasks.retention.holdings import Piece
from pipeline_tasks.retention.planning import LayerPlan, Plan

UNITS = ("B", "kB", "MB", "GB", "TB")


def lines(plan: Plan) -> Iterator[str]:
    """Yield the plan: a line a layer, what stays although it is old, and what can then no longer be done."""
    yield f"Counted from {plan.newest}, the newest night"
    yield f"{'layer':<12}{'stays from':<12}{'stays':>26}{'goes':>26}"
    for layer in plan.layers:
        stays = [*layer.stays, *layer.although]
        yield f"{layer.name:<12}{layer.since!s:<12}{_sum(stays):>26}{_sum(layer.goes):>26}".rstrip()
    old = [line for layer in plan.layers for line in _although(layer)]
    if old:
        yield from ("", "Old, and stays", *old)
    over = [layer for layer in plan.layers if layer.budget is not None and layer.bytes > layer.budget]
    if over:
        yield ""
    for layer in over:
        yield f"{layer.name} stays above its budget of {size(layer.budget or 0)}: what is left is needed, or the newest night's"
    if plan.goes:
        yield ""
        yield f"Then nights before {plan.floor} can no longer be run again."


def _although(layer: LayerPlan) -> Iterator[str]:
    """Yield a line for each table and reason."""
    told = sorted(layer.although.items(), key=lambda pair: (pair[0].table, pair[1], pair[0].name))
    for (table, why), pairs in groupby(told, key=lambda pair: (pair[0].table, pair[1])):
        pieces = [piece for piece, _ in pairs]
        yield f"  {table} {_span(pieces)} ({size(sum(piece.bytes for piece in pieces))}): {why}"


def _span(pieces: Sequence[Piece]) -> str:
    names = [
        piece.name.rpartition("/")[2].partition("=")[2] or piece.name.rpartition("/")[2] for piece in pieces
    ]
    if len(names) == 1:
        return names[0].removesuffix(".json")
    return f"{names[0].removesuffix('.json')} … {names[-1].removesuffix('.json')}, {len(names):,} of them"


def _sum(pieces: Sequence[Piece]) -> str:
    if not pieces:
        return ""
    nights = len({piece.night for piece in pieces})
    return f"{nights:,} {'night' if nights == 1 else 'nights'}, {size(sum(piece.bytes for piece in pieces))}"


def size(count: int) -> str:
    """Return bytes as people read them, in powers of 1,000."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {UNITS[unit]}" if unit == 0 or value >= 99.5 else f"{value:.1f} {UNITS[unit]}"


def to_json(plan: Plan) -> dict[str, Any]:
    """Return the plan with every piece by name."""
    return {
        "newest": str(plan.newest),
        "floor": str(plan.floor),
        "layers": {
            layer.name: {
                "since": str(layer.since),
                "budget": layer.budget,
                "bytes": layer.bytes,
                "freed": layer.freed,
                "stays": [piece.name for piece in layer.stays],
                "although": {piece.name: why for piece, why in layer.although.items()},
                "goes": [piece.name for piece in layer.goes],
            }
            for layer in plan.layers
        },
    }
