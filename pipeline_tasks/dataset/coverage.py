"""How many warm positive examples have features: joined batches pass through, counts come out."""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_tasks.contracts import FEATURE_VIEWS

# a feature of each view that every row has: null means that the view had no row
ALWAYS_SET = [
    f"{view.name}__{next(c.name for c in view.columns if not c.nullable and c.name not in view.key)}"
    for view in FEATURE_VIEWS.values()
]


class Coverage:
    """Counts over batches of examples that have label, warm and the features."""

    def __init__(self) -> None:
        self.positives = self.negatives = self.warm = self.with_features = 0

    def counted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches, counting as they pass."""
        for batch in batches:
            positive = pc.equal(batch["label"], 1)
            warm = pc.and_(positive, batch["warm"])
            featured = warm
            for name in ALWAYS_SET:
                featured = pc.and_(featured, batch[name].is_valid())
            self.positives += positive.true_count
            self.negatives += len(positive) - positive.true_count
            self.warm += warm.true_count
            self.with_features += featured.true_count
            yield batch

    def facts(self) -> dict[str, Any]:
        """Return the counts, and the share of warm positives that have features of every view."""
        share = self.with_features / self.warm if self.warm else 1.0
        return {
            "positives": self.positives,
            "negatives": self.negatives,
            "warm_positives": self.warm,
            "warm_with_features": self.with_features,
            "share_with_features": round(share, 6),
        }
