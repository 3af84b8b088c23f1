"""The night's training tables in; tonight's challenger and the baselines, fitted up to the cut, out."""

import sys
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_tasks import launching, model_store
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.model_configs import model_config
from pipeline_tasks.model_store import KINDS, StoreCheckpoint
from pipeline_tasks.models.checkpoint import config_bytes
from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.interface import Model, State, Training
from pipeline_tasks.models.processes import ALONE, Processes, joined
from pipeline_tasks.models.sequence_model import SequenceModel
from pipeline_tasks.models.validation import hold_out, mean_gain
from pipeline_tasks.settings import Settings
from pipeline_tasks.training_data import TrainingData, read_training_data

BASELINES = ("popular", "item_knn")


def run(settings: Settings, run_date: date) -> Report:
    """Fit `train.model` and the baselines on events before the cut, and save them.

    Of several models, the one that is best on users' next items, kept from all of them, is the challenger.
    Killed at any instant, it goes on from its last epoch. Without events before the cut there is nothing that
    a challenger could learn from: the baselines are all there is. Of several processes all fit the sequence
    models together; the first does everything else, and the report is its own.
    """
    store = open_store(settings.lake_uri)
    data = read_training_data(store, run_date)
    past = data.histories.before(data.holdout.cut)
    asked = settings.train.models if len(past) else ()
    # several models learn without the events that they are then judged by
    judged = hold_out(past, novel=settings.recommend.exclude_seen) if len(asked) > 1 else None
    learnt = judged[0] if judged else past
    device = model_store.torch_device(settings.train)
    with joined(launching.count(), device) as together:
        work = _Work(settings, run_date, store, data, device, together)
        fitted = {name: work.fit(name, learnt) for name in asked if _fitted_together(name)}
    if together.rank:
        return Report("")
    fitted |= {name: work.fit(name, learnt) for name in asked if name not in fitted}
    trials = work.judge(fitted, *judged[1:]) if judged else {}
    baselines = {
        name: fitted[name] if name in fitted and not judged else work.fit(name, past) for name in BASELINES
    }
    chosen = next(iter(trials or fitted), None)
    versions = {name: work.save(model) for name, model in baselines.items()}
    challenger = work.save(fitted[chosen]) if chosen else None
    for name in {*asked, *BASELINES}:
        StoreCheckpoint(store, layout.checkpoint(run_date, name)).remove()
    candidates = {"challenger": challenger, "baselines": versions, "trials": trials}
    store.write(layout.candidates(run_date), config_bytes(candidates))
    progress = {name: model.state().facts.get("training", {}) for name, model in fitted.items()}
    outputs = {*versions.values(), *([challenger] if challenger else [])}
    return Report(
        _summary(past, chosen, challenger, trials, progress),
        rows={"users": len(past), "events": len(past.items), "items": data.catalogue.n_items},
        inputs=data.inputs,
        outputs={layout.model(version): version for version in sorted(outputs)},
        facts={**candidates, "training": progress, **work.how(), "cut": data.holdout.cut},
    )


@dataclass(frozen=True)
class _Work:
    """One run: what it fits on, and where it reads and writes."""

    settings: Settings
    run_date: date
    store: Store
    data: TrainingData
    device: torch.device
    together: Processes

    def fit(self, name: str, past: Histories) -> Model:
        training = Training(
            seed=self.settings.seed,
            device=self.device,
            previous=self._previous(name),
            precision=model_store.torch_precision(self.settings.train, self.device),
            processes=self.together if _fitted_together(name) else ALONE,
        )
        if self.together.rank == 0:
            training = replace(
                training,
                checkpoint=StoreCheckpoint(self.store, layout.checkpoint(self.run_date, name)),
                say=lambda line: print(f"{name}: {line}", file=sys.stderr, flush=True),
            )
        config = model_config(self.settings, name, self.data.weights, self.data.holdout.cut)
        model: Model = KINDS[name].fit(past, self.data.catalogue, config, training)
        return model

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

    def how(self) -> dict[str, Any]:
        """Return what the fit ran on."""
        precision = model_store.torch_precision(self.settings.train, self.device)
        return {
            "device": self.device.type,
            "precision": str(precision).removeprefix("torch."),
            "processes": self.together.count,
        }

    def save(self, model: Model) -> str:
        return model_store.save(self.store, self.run_date, model, self.data.holdout.cut)

    def _previous(self, name: str) -> State | None:
        """Return the champion before the night, where training goes on from it and it is of the same kind."""
        if not self.settings.train.warm_start:
            return None
        champion = model_store.champion_before(self.store, self.run_date)
        if champion is None or champion["name"] != name:
            return None
        return model_store.read(self.store, champion["model_version"]).state


def _fitted_together(name: str) -> bool:
    return issubclass(KINDS[name], SequenceModel)


def _summary(
    past: Histories,
    name: str | None,
    challenger: str | None,
    trials: dict[str, float],
    learnt: dict[str, Any],
) -> str:
    if name is None:
        return "no events before the holdout: only the baselines"
    progress = learnt[name]
    epochs = f", best after epoch {progress['best_epoch']} of {progress['epoch']}" if progress else ""
    found = ", ".join(f"{each} {quality:.4f}" for each, quality in trials.items())
    of = f"; validation NDCG: {found}" if trials else ""
    return f"{name} {challenger} on {len(past.items):,} events of {len(past):,} users{epochs}{of}"
