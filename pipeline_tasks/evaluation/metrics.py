"""How good lists are: ranked items and what the users then did in, a value a user and metric out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.models.data import Histories

METRICS = ("recall", "ndcg", "mrr")


@dataclass(frozen=True)
class Measured:
    """Each metric at k for every user (rows,), and the share of the catalogue that the lists show.

    recall: share of the user's items that are in the list. ndcg: gain 1 an item, discounted by log2(rank + 1),
    over the best possible (Järvelin and Kekäläinen 2002). mrr: 1 / rank of the first item, or 0.
    """

    k: int
    recall: NDArray[np.float64]
    ndcg: NDArray[np.float64]
    mrr: NDArray[np.float64]
    coverage: float

    def by_user(self) -> dict[str, NDArray[np.float64]]:
        """Return each metric's values (rows,) as "ndcg@10" and so on; coverage is of all lists together."""
        return {f"{name}@{self.k}": getattr(self, name) for name in METRICS}

    def means(self) -> dict[str, float]:
        """Return the mean over users of each metric, and the coverage, as "ndcg@10" and so on."""
        means = {name: float(own.mean()) if len(own) else 0.0 for name, own in self.by_user().items()}
        return {**means, f"coverage@{self.k}": self.coverage}


def measure(items: NDArray[np.int32], truth: Histories, k: int, catalogue: int) -> Measured:
    """Measure lists `items` (rows, at least k; 0 is an empty place) against the items of `truth`'s rows.

    Every row of `truth` has an item; one that occurs twice counts once. `catalogue` is the number of items
    that could have been shown.
    """
    shown = items[:, :k].astype(np.int64)
    width = int(max(shown.max(initial=0), truth.items.max(initial=0))) + 1
    wanted = np.unique(truth.row_of_event * width + truth.items)
    hits = np.isin(np.arange(len(shown))[:, None] * width + shown, wanted) & (shown > 0)  # (rows, k)
    relevant = np.bincount(wanted // width, minlength=len(shown))
    discounts = 1.0 / np.log2(np.arange(2, k + 2))  # (k,)
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(relevant, k)]
    gain = hits @ discounts[: shown.shape[1]]
    first = np.where(hits.any(1), 1.0 / (hits.argmax(1) + 1) if shown.shape[1] else 0.0, 0.0)
    distinct = np.count_nonzero(np.unique(shown))
    return Measured(
        k=k,
        recall=hits.sum(1) / np.maximum(relevant, 1),
        ndcg=gain / np.maximum(ideal, discounts[-1]),
        mrr=first,
        coverage=distinct / catalogue if catalogue else 0.0,
    )
