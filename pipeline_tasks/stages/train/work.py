"""One run of `train`: what it fits on, and where it reads and writes."""

import sys
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_tasks import model_store
from pipeline_tasks.als_on_spark import fit_on_spark
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.model_configs import model_config
from pipeline_tasks.model_store import KINDS, StoreCheckpoint
from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import Model, State, Training
from pipeline_tasks.models.processes import Processes
from pipeline_tasks.models.validation import mean_gain
from pipeline_tasks.settings import Settings
from pipeline_tasks.training_data import TrainingData


@dataclass(frozen=True)
class Work:
    """The night, its data, the device and the processes at work; each method fits or measures something of it."""

    settings: Settings
    run_date: date
    store: Store
    data: TrainingData
    device: torch.device
    together: Processes

    def fit(self, name: str, past: Histories) -> Model:
        """Return the model `name`, fitted on all before the holdout; it goes on from the champion where it may."""
        return self._fit(name, past, self.data.holdout.cut, self.training(name, self._previous(name)))

    def fit_together(self, name: str, past: Histories) -> Model:
        """Return what `fit` does, by all processes together; each must ask for the same."""
        training = replace(self.training(name, self._previous(name)), processes=self.together)
        return self._fit(name, past, self.data.holdout.cut, training)

    def fit_before(self, name: str, past: Histories, cut: int) -> Model:
        """Return the model `name`, fitted on what was before `cut` (Unix seconds) alone."""
        return self._fit(name, past.before(cut), cut, self.training(f"{name}-before"))

    def _fit(self, name: str, past: Histories, cut: int, training: Training) -> Model:
        config = model_config(self.settings, name, self.data.weights, cut)
        if name == "als" and self.settings.als_by_spark:
            return fit_on_spark(self.settings, past, self.data.catalogue, config, training)
        model: Model = KINDS[name].fit(past, self.data.catalogue, config, training)
        return model

    def training(self, name: str, previous: State | None = None) -> Training:
        """Return how a fit called `name` runs; of several processes, the first alone keeps and says anything."""
        training = Training(
            seed=self.settings.seed,
            device=self.device,
            previous=previous,
            precision=self.precision,
            compiled=self.compiled,
        )
        if self.together.rank:
            return training
        return replace(
            training,
            checkpoint=StoreCheckpoint(self.store, layout.checkpoint(self.run_date, name)),
            say=lambda line: print(f"{name}: {line}", file=sys.stderr, flush=True),
        )

    @property
    def precision(self) -> torch.dtype:
        """What dense layers are trained in."""
        return model_store.torch_precision(self.settings.train, self.device)

    @property
    def compiled(self) -> bool:
        """Whether networks are compiled."""
        return model_store.torch_compiles(self.settings.train, self.device)

    def how(self) -> dict[str, Any]:
        """Return what a fit runs on, for the record."""
        return {
            "device": self.device.type,
            "precision": str(self.precision).removeprefix("torch."),
            "compiled": self.compiled,
            "processes": self.together.count,
            "als_by_spark": self.settings.als_by_spark,
        }

    def judge(
        self, fitted: dict[str, Model], known: Histories, answers: NDArray[np.int64]
    ) -> dict[str, float]:
        """Return each model's NDCG on the next items of validation users, the best first."""
        novel, n_items = self.settings.recommend.exclude_seen, self.data.catalogue.n_items
        found = {
            name: mean_gain(model.score, known, answers, n_items, exclude_seen=novel) or 0.0
            for name, model in fitted.items()
        }
        return {name: found[name] for name in sorted(found, key=lambda name: (-found[name], name))}

    def _previous(self, name: str) -> State | None:
        """Return the champion before the night, where training goes on from it.

        That is one of the same kind which knows nothing of tonight's holdout and numbers users and items alike.
        """
        if not self.settings.train.warm_start:
            return None
        champion = model_store.champion_before(self.store, self.run_date)
        saved = model_store.read(self.store, champion["model_version"]) if champion else None
        if saved is None or saved.name != name or saved.cut > self.data.holdout.cut:
            return None
        if not saved.numbers_as(self.data):
            return None
        # loaded, since that refuses one whose files do not fit together
        return saved.load(torch.device("cpu"), self.data.event_types).state()
