"""The night's training tables in; tonight's challenger and the baselines, fitted up to the cut, out."""

import sys
from datetime import date
from typing import Any

import torch

from pipeline_tasks import model_store
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.model_store import KINDS, StoreCheckpoint
from pipeline_tasks.models.als import AlsConfig
from pipeline_tasks.models.checkpoint import config_bytes
from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.ease import EaseConfig
from pipeline_tasks.models.interface import Model, State, Training
from pipeline_tasks.models.item_knn import ItemKnnConfig
from pipeline_tasks.models.mf_fitting import MfConfig
from pipeline_tasks.models.neumf import NcfConfig
from pipeline_tasks.models.popular import PopularConfig
from pipeline_tasks.models.transformer import TransformerConfig
from pipeline_tasks.settings import Settings, TrainSettings
from pipeline_tasks.training_data import TrainingData, read_training_data

BASELINES = ("popular", "item_knn")


def run(settings: Settings, run_date: date) -> Report:
    """Fit `train.model` and the baselines on events before the cut, and save them.

    Killed at any instant, it goes on from its last epoch. Without events before the cut there is nothing that
    a challenger could learn from: the baselines are all there is.
    """
    store = open_store(settings.lake_uri)
    data = read_training_data(store, run_date)
    past = data.histories.before(data.holdout.cut)
    device = model_store.torch_device(settings.train)
    names = {*BASELINES, settings.train.model} if len(past) else {*BASELINES}
    versions: dict[str, str] = {}
    learnt: dict[str, Any] = {}
    for name in sorted(names):
        model = _fit(settings, store, run_date, name, past, data, device)
        versions[name] = model_store.save(store, run_date, model, data.holdout.cut)
        StoreCheckpoint(store, layout.checkpoint(run_date, name)).remove()
        learnt[name] = model.state().facts.get("training", {})
    challenger = versions.get(settings.train.model) if len(past) else None
    candidates = {"challenger": challenger, "baselines": {name: versions[name] for name in BASELINES}}
    store.write(layout.candidates(run_date), config_bytes(candidates))
    facts = {**candidates, "training": learnt, "device": str(device), "cut": data.holdout.cut}
    return Report(
        _summary(settings.train.model, past, learnt, challenger),
        rows={"users": len(past), "events": len(past.items), "items": data.catalogue.n_items},
        inputs=data.inputs,
        outputs={layout.model(version): version for version in versions.values()},
        facts=facts,
    )


def _fit(
    settings: Settings,
    store: Store,
    run_date: date,
    name: str,
    past: Histories,
    data: TrainingData,
    device: torch.device,
) -> Model:
    training = Training(
        seed=settings.seed,
        device=device,
        checkpoint=StoreCheckpoint(store, layout.checkpoint(run_date, name)),
        previous=_previous(settings, store, run_date, name),
        say=lambda line: print(f"{name}: {line}", file=sys.stderr, flush=True),
    )
    model: Model = KINDS[name].fit(past, data.catalogue, _config(settings, name, data), training)
    return model


def _config(settings: Settings, name: str, data: TrainingData) -> Any:
    if name == "popular":
        return PopularConfig(data.holdout.cut, settings.recommend.popular_days, data.weights)
    if name == "item_knn":
        return ItemKnnConfig(weights=data.weights)
    wanted, novel = settings.train, settings.recommend.exclude_seen
    if name == "ease":
        return EaseConfig(l2=wanted.ease_l2, max_items=wanted.ease_max_items, weights=data.weights)
    if name == "als":
        return AlsConfig(
            dim=wanted.dim,
            alpha=wanted.als_alpha,
            regularization=wanted.als_regularization,
            weights=data.weights,
        )
    if name == "mf":
        return MfConfig(novel_targets=novel, weights=data.weights, **_same_named(MfConfig, wanted))
    if name == "ncf":
        return NcfConfig(novel_targets=novel, weights=data.weights, **_same_named(NcfConfig, wanted))
    return TransformerConfig(
        event_types=len(data.weights) - 1, novel_targets=novel, **_same_named(TransformerConfig, wanted)
    )


def _same_named(kind: type[Any], wanted: TrainSettings) -> dict[str, Any]:
    """Return the settings that the configuration has fields for."""
    own = kind.__dataclass_fields__.keys() & TrainSettings.model_fields.keys()
    return {key: getattr(wanted, key) for key in own}


def _previous(settings: Settings, store: Store, run_date: date, name: str) -> State | None:
    """Return the champion before the night, where training goes on from it and it is of the same kind."""
    champion = model_store.champion_before(store, run_date) if settings.train.warm_start else None
    if champion is None or champion["name"] != name:
        return None
    return model_store.read(store, champion["model_version"]).state


def _summary(name: str, past: Histories, learnt: dict[str, Any], challenger: str | None) -> str:
    if challenger is None:
        return "no events before the holdout: only the baselines"
    progress = learnt[name]
    epochs = f", best after epoch {progress['best_epoch']} of {progress['epoch']}" if progress else ""
    return f"{name} {challenger} on {len(past.items):,} events of {len(past):,} users{epochs}"
