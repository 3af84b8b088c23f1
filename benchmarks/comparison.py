"""Models compared on the same cases: a quality a case and model in; means, bootstrap intervals and a table out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.evaluation.intervals import Bootstrap

K = 10
RESAMPLES = 2_000


@dataclass(frozen=True)
class Outcome:
    """A model's lists measured: an entry a case, in the same order for every model."""

    model: str
    ndcg: NDArray[np.float64]
    recall: NDArray[np.float64]
    hit: NDArray[np.bool_]
    seconds: float


def interval(values: NDArray[np.float64], seed: int) -> list[float]:
    """Return between what the mean of 95 % of resamples lies."""
    (ends,) = Bootstrap(0.95, RESAMPLES, seed).intervals(values[:, None])
    return [_rounded(end) for end in ends]


def line(found: Outcome, reference: Outcome, seed: int) -> dict[str, Any]:
    """Return what is told of a model, with its difference from the reference on the same cases."""
    less = found.ndcg - reference.ndcg
    return {
        "model": found.model,
        "cases": len(found.ndcg),
        f"NDCG@{K}": _rounded(found.ndcg.mean()),
        f"NDCG@{K} interval": interval(found.ndcg, seed),
        f"recall@{K}": _rounded(found.recall.mean()),
        f"HR@{K}": _rounded(found.hit.mean()),
        "reference": reference.model,
        "difference": _rounded(less.mean()),
        "difference interval": interval(less, seed),
        "seconds": round(found.seconds, 1),
    }


def table(lines: Sequence[dict[str, Any]]) -> str:
    """Return the lines in text."""
    titles = [
        "model",
        f"NDCG@{K}",
        "interval",
        f"recall@{K}",
        f"HR@{K}",
        f"less {lines[0]['reference']}",
        "interval",
    ]
    names = [
        "model",
        f"NDCG@{K}",
        f"NDCG@{K} interval",
        f"recall@{K}",
        f"HR@{K}",
        "difference",
        "difference interval",
    ]
    return told(lines, names, titles)


def told(lines: Sequence[dict[str, Any]], names: Sequence[str], titles: Sequence[str] = ()) -> str:
    """Return a table of what the lines say of these names, a row a line; what one does not say is empty."""
    rows = [
        titles or names,
        ["---"] * len(names),
        *([_cell(each.get(n, "")) for n in names] for each in lines),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(value: Any) -> str:
    if isinstance(value, str | int):
        return f"{value:,}" if isinstance(value, int) else value
    return " to ".join(f"{each:.4f}" for each in (value if isinstance(value, list) else [value]))


def _rounded(value: Any) -> float:
    return round(float(value), 4)
