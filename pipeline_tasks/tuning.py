"""The search for better train settings: histories and a catalogue in, a study that can be gone on with out.

A trial is a fit, judged by its own validation (the next item of users kept from training), never by the
holdout. The first trial is the settings as they are.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from pydantic import ValidationError

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.model_configs import model_config
from pipeline_tasks.model_store import KINDS, torch_compiles, torch_device, torch_precision
from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.models.interface import Training
from pipeline_tasks.models.sequence_model import SequenceModel
from pipeline_tasks.models.validation import hold_out
from pipeline_tasks.settings import Settings

# how Optuna marks a trial whose values were given: that of the settings as they are
AS_IT_IS = "fixed_params"
# what a trial may change, and how far: of some values one, or anything between two on a logarithmic scale
CHOICES: dict[str, tuple[float, ...]] = {
    "dim": (32, 64, 128, 256),
    "blocks": (1, 2, 3),
    "heads": (1, 2, 4),
    "dropout": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
    "id_dropout": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "batch_events": (512, 1024, 2048, 4096),
}
RANGES = {
    "learning_rate": (3e-4, 6e-3),
    "weight_decay": (1e-4, 0.3),
    "temperature": (0.04, 0.3),
    "full_length": (0.01, 2.0),
}


def tune(
    settings: Settings,
    histories: Histories,
    catalogue: Catalogue,
    weights: tuple[float, ...],
    cut: int,
    journal: Path,
    *,
    trials: int,
    minutes: float,
    say: Callable[[str], None],
) -> optuna.Study:
    """Return the study kept in `journal`, gone on with until it has `trials` trials or `minutes` have passed.

    A journal belongs to one model, data and settings, and to one process at a time. Raises Refused unless
    `train.model` is one sequence model, and where there is nobody to judge a trial by.
    """
    name = settings.train.model
    if not issubclass(KINDS.get(name, object), SequenceModel):
        raise Refused(f"train.model is {name}, which cannot be tuned", "name one sequence model")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=name,
        direction="maximize",
        storage=JournalStorage(JournalFileBackend(str(journal))),
        load_if_exists=True,
    )
    if not len(hold_out(histories, novel=settings.recommend.exclude_seen)[1]):
        raise Refused("there are no validation users to judge a trial by", "tune on more data")
    for killed in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(killed.number, state=TrialState.FAIL)
        if AS_IT_IS in killed.system_attrs:
            study.enqueue_trial(killed.system_attrs[AS_IT_IS])
    done = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    study.sampler = optuna.samplers.TPESampler(seed=settings.seed + done)
    if not study.get_trials(deepcopy=False):
        as_it_is = {key: getattr(settings.train, key) for key in (*CHOICES, *RANGES)}
        study.enqueue_trial({key: value for key, value in as_it_is.items() if key in CHOICES or value > 0})

    def objective(trial: optuna.Trial) -> float:
        train = settings.train.model_validate({**settings.train.model_dump(), **_chosen(trial, settings)})
        tried = settings.model_copy(update={"train": train})
        device = torch_device(tried.train)
        config = model_config(tried, name, weights, cut)
        precision, compiled = torch_precision(tried.train, device), torch_compiles(tried.train, device)
        training = Training(settings.seed, device, precision=precision, compiled=compiled)
        model = KINDS[name].fit(histories, catalogue, config, training)
        return float(model.facts["training"]["best_quality"])

    def told(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        seconds = trial.duration.total_seconds() if trial.duration else 0.0
        came = f"{trial.value:.4f}" if trial.value is not None else "failed"
        say(f"trial {trial.number + 1}: {came} in {seconds:.0f} s, {_words(trial.params)}")

    study.optimize(
        objective,
        n_trials=max(0, trials - done),
        timeout=60 * minutes,
        catch=(NightjarError, ValidationError),
        callbacks=[told],
    )
    return study


def _chosen(trial: optuna.Trial, settings: Settings) -> dict[str, Any]:
    """Return what the trial changes; a 0 of the settings as they are, which no logarithmic scale has, stays."""
    own = {key: sorted({*values, getattr(settings.train, key)}) for key, values in CHOICES.items()}
    chosen = {key: trial.suggest_categorical(key, values) for key, values in own.items()}
    kept = trial.study.get_trials(deepcopy=False)[trial.number]
    given = kept.system_attrs.get(AS_IT_IS, RANGES)
    ranges = {key: ends for key, ends in RANGES.items() if key in given}
    return chosen | {key: trial.suggest_float(key, *ends, log=True) for key, ends in ranges.items()}


def summary(study: optuna.Study) -> str:
    """Return the best trial against the settings as they are, and the lines of nightjar.toml that make it so.

    Raises Refused where no trial has finished.
    """
    finished = [trial for trial in study.trials if trial.value is not None]
    if not finished:
        raise Refused("no trial has finished", "allow more minutes, or look at what the trials said")
    asked = [trial for trial in study.trials if AS_IT_IS in trial.system_attrs]
    best, first = study.best_trial, next((trial for trial in asked if trial.value is not None), asked[0])
    as_it_is = f"{first.value:.4f}" if first.value is not None else "failed"
    said = f"{len(finished)} of {len(study.trials)} trials finished: {as_it_is} as it is, {best.value:.4f} in trial {best.number + 1}"
    changed = {key: value for key, value in best.params.items() if first.params.get(key) != value}
    if not changed:
        return f"{said}\nThe settings may stay as they are."
    return "\n".join([said, "", "[train]", *(f"{key} = {_value(value)}" for key, value in changed.items())])


def _words(params: dict[str, Any]) -> str:
    return ", ".join(f"{key} {_value(value)}" for key, value in params.items())


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
