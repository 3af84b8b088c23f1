"""One run of `train`: what it fits on, and where it reads and writes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import torch

from pipeline_tasks import model_store
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.model_configs import model_config
from pipeline_tasks.model_store import KINDS, StoreCheckpoint
from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import Model, State, Training
from pipeline_tasks.models.validation import hold_out, mean_gain
from pipeline_tasks.settings import Settings
from pipeline_tasks.training_data import TrainingData


@dataclass(frozen=True)
class Work:
    """The night, its data, and the device; each method fits or saves something of it."""

    settings: Settings
    run_date: date
    store: Store
    data: TrainingData
    device: torch.device

    def fit(self, name: str, past: Histories) -> Model:
        """Return the model `name`, fitted on all before the holdout; it goes on from the champion where it may."""
        return self._fit(name, past, self.data.holdout.cut, self.training(name, self._previous(name)))

    def fit_before(self, name: str, past: Histories, cut: int) -> Model:
        """Return the model `name`, fitted on what was before `cut` (Unix seconds) alone."""
        return self._fit(name, past.before(cut), cut, self.training(f"{name}-before"))

    def _fit(self, name: str, past: Histories, cut: int, training: Training) -> Model:
        config = model_config(self.settings, name, self.data.weights, cut)
        model: Model = KINDS[name].fit(past, self.data.catalogue, config, training)
        return model

    def training(self, name: str, previous: State | None = None) -> Training:
        """Return how a fit called `name` runs."""
        return Training(
            seed=self.settings.seed,
            device=self.device,
            checkpoint=StoreCheckpoint(self.store, layout.checkpoint(self.run_date, name)),
            previous=previous,
            say=lambda line: print(f"{name}: {line}", file=sys.stderr, flush=True),
        )

    def compete(self, names: Sequence[str], past: Histories) -> tuple[dict[str, Model], dict[str, float]]:
        """Return the models, the best first, and each one's NDCG on the next items of validation users."""
        novel, n_items = self.settings.recommend.exclude_seen, self.data.catalogue.n_items
        learnt, known, answers = hold_out(past, novel=novel)
        fitted = {name: self.fit(name, learnt) for name in names}
        found = {
            name: mean_gain(model.score, known, answers, n_items, exclude_seen=novel) or 0.0
            for name, model in fitted.items()
        }
        best_first = sorted(found, key=lambda name: (-found[name], name))
        return {name: fitted[name] for name in best_first}, {name: found[name] for name in best_first}

    def _previous(self, name: str) -> State | None:
        """Return the champion before the night, where training goes on from it and it is of the same kind."""
        if not self.settings.train.warm_start:
            return None
        champion = model_store.champion_before(self.store, self.run_date)
        saved = model_store.read(self.store, champion["model_version"]) if champion else None
        return saved.state if saved and saved.name == name else None
