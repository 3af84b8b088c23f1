"""The product's own night at each moment: a folder of MovieLens' layout in; lists of its retrieval, alone and ranked, out.

The stages ingest to train run on a new lake, for the day that ends at the moment. So the model is that night's, which
has not learnt from its holdout; the ranker has Feast's features of its time and is kept only where the night's own
validation finds it better. Where it is not, retrieval's lists are what the night would have served.
"""

import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from benchmarks.movielens import read_ids
from benchmarks.nights import Nights
from pipeline_tasks import model_store
from pipeline_tasks.evaluation.lists import top_lists
from pipeline_tasks.lake import layout
from pipeline_tasks.models.data import Histories
from pipeline_tasks.ranking_data import open_reranker
from pipeline_tasks.training_data import TrainingData, read_training_data

Lists = NDArray[np.int32]


class Made(NamedTuple):
    """The lists of those who were asked (asked, k), and whether the night kept a ranker."""

    alone: Lists
    ranked: Lists
    kept: bool


class SecondStage:
    """Nights of `data` with changed settings, each run once; lists have `k` places, users and items `data`'s numbers."""

    def __init__(self, data: Path, changed: Mapping[str, str], k: int) -> None:
        self.data, self.changed, self.k = str(data.resolve()), changed, k
        self.user_ids, self.item_ids = read_ids(data)
        self._made: dict[int, Made] = {}

    def made(self, cut: int, asked: Histories) -> Made:
        """Return the lists of the asked at the midnight `cut` (Unix seconds)."""
        if cut not in self._made:
            self._made[cut] = self._make(cut, asked)
        return self._made[cut]

    def told(self) -> str:
        """Return at how many of the moments so far ranking was kept."""
        kept = sum(made.kept for made in self._made.values())
        return f"a ranker was kept at {kept} of {len(self._made)} cuts; elsewhere its lists are retrieval's"

    def _make(self, cut: int, asked: Histories) -> Made:
        night = datetime.fromtimestamp(cut, UTC).date() - timedelta(days=1)
        with tempfile.TemporaryDirectory(prefix="nightjar-benchmark-") as folder:
            nights = Nights(self.data, Path(folder), self.changed)
            nights.run(night, "train")
            print(f"night {night}: ranking {nights.facts(night, 'train').get('ranking')}", file=sys.stderr)
            settings, lake = nights.settings(), nights.lake
            data = read_training_data(lake, night)
            device = model_store.torch_device(settings.train)
            challenger = model_store.read_json(lake, layout.candidates(night), "train")["challenger"]
            saved = model_store.read(lake, challenger)
            ranker, candidates = saved.load_ranker(device), settings.ranking.candidates
            reranker = open_reranker(lake, night, data, ranker, cut, candidates)
            model = saved.load(device, data.event_types).at(data.catalogue)
        there, known = self._known(data, asked)

        def lists(ranked_by: Any) -> Lists:
            own = top_lists(
                model, known, self.k, data.catalogue.n_items, exclude_seen=True, reranker=ranked_by
            )
            found = np.zeros((len(asked), self.k), np.int32)
            found[there] = _places(data.item_ids, self.item_ids)[own]
            return found

        alone = lists(None)
        return Made(alone, lists(reranker) if reranker else alone, reranker is not None)

    def _known(self, data: TrainingData, asked: Histories) -> tuple[NDArray[np.bool_], Histories]:
        """Return which of the asked the night knows, and their histories as it has them."""
        ids = self.user_ids.take(pa.array(asked.users - 1))
        users = _places(ids, pa.array(data.user_ids))
        rows = np.searchsorted(data.histories.users, users)
        there = np.isin(users, data.histories.users)
        return there, data.histories.rows(rows[there])


def _places(ids: Any, among: pa.Array) -> NDArray[np.int32]:
    """Return the place of each id among others, from 1; 0 where it is not there."""
    found = pc.index_in(ids, value_set=among).fill_null(-1).to_numpy(zero_copy_only=False)
    return (found + 1).astype(np.int32)
