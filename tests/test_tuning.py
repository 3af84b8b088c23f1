"""The search for settings: bounded, gone on with, and honest about what was there before."""

from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.model_configs import model_config
from pipeline_tasks.tuning import summary, tune
from tests.models.worlds import checkerboard, colours, histories

SMALL = {"epochs": 2, "dim": 32, "device": "cpu"}


def search(settings: Any, journal: Path, trials: int) -> Any:
    said: list[str] = []
    study = tune(
        settings,
        checkerboard(60, 24),
        colours(24),
        (0.0, 1.0),
        100 * 86_400,
        journal,
        trials=trials,
        minutes=5,
        say=said.append,
    )
    return study, said


def test_a_study_goes_on_where_it_ended(make_settings, tmp_path) -> None:
    settings, journal = make_settings(train=SMALL), tmp_path / "tuning" / "study.journal"
    study, said = search(settings, journal, 2)
    assert [line.split(":")[0] for line in said] == ["trial 1", "trial 2"]
    assert study.trials[0].params["dim"] == 32
    again, said = search(settings, journal, 3)
    assert [line.split(":")[0] for line in said] == ["trial 3"]
    assert len(again.trials) == 3
    assert search(settings, journal, 3)[1] == []


def test_the_summary_names_only_what_changes(make_settings, tmp_path) -> None:
    study, _ = search(make_settings(train=SMALL), tmp_path / "study.journal", 3)
    text = summary(study)
    assert text.startswith(
        f"3 of 3 trials finished: {study.trials[0].value:.4f} as it is, {study.best_value:.4f} in trial"
    )
    for key, value in study.best_params.items():
        assert (f"\n{key} = " in text) == (value != study.trials[0].params[key])


def test_a_study_that_was_killed_in_its_first_trial_tries_the_settings_as_they_are_again(
    make_settings, tmp_path, monkeypatch
) -> None:
    settings, journal = make_settings(train=SMALL), tmp_path / "study.journal"

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> Any:
        raise Killed

    # an exception that nothing catches would be told to the study: a kill tells nothing
    monkeypatch.setattr("optuna.Study.tell", killed)
    monkeypatch.setattr("pipeline_tasks.tuning.model_config", killed)
    monkeypatch.setattr("optuna.study._optimize._tell_with_warning", killed)
    with pytest.raises(Killed):
        search(settings, journal, 2)
    monkeypatch.undo()
    study, said = search(settings, journal, 2)
    assert [trial.value is None for trial in study.trials] == [True, False, False]
    assert study.trials[1].params == study.trials[0].system_attrs["fixed_params"]
    assert "3 trials finished: failed" not in summary(study)
    assert len(said) == 2


def test_data_without_anybody_to_judge_by_are_refused_at_once(make_settings, tmp_path) -> None:
    settings = make_settings(train=SMALL)
    with pytest.raises(Refused, match="no validation users"):
        tune(
            settings,
            histories([[1]]),
            colours(24),
            (0.0, 1.0),
            100,
            tmp_path / "j",
            trials=1,
            minutes=1,
            say=print,
        )


def test_a_trial_that_diverges_fails_alone(make_settings, tmp_path) -> None:
    settings = make_settings(train={**SMALL, "learning_rate": 1e20})
    study, said = search(settings, tmp_path / "study.journal", 2)
    assert "failed" in said[0]
    assert study.trials[0].value is None
    assert summary(study).startswith("1 of 2 trials finished: failed as it is")


def test_settings_without_weight_decay_are_tried_as_they_are(make_settings, tmp_path, monkeypatch) -> None:
    settings = make_settings(train={**SMALL, "weight_decay": 0.0})
    tried: list[float] = []

    def config(*given: Any) -> Any:
        tried.append(given[0].train.weight_decay)
        return model_config(*given)

    monkeypatch.setattr("pipeline_tasks.tuning.model_config", config)
    study, _ = search(settings, tmp_path / "study.journal", 3)
    assert tried[0] == 0.0
    assert min(tried[1:]) > 0
    assert all(trial.value is not None for trial in study.trials)
    assert ("\nweight_decay = " in summary(study)) == (study.best_trial.number > 0)


@pytest.mark.parametrize("model", ["popular", "als", "transformer,gru4rec"])
def test_what_cannot_be_tuned_is_refused(model: str, make_settings, tmp_path) -> None:
    settings = make_settings(train={**SMALL, "model": model})
    with pytest.raises(Refused, match=f"{model}, which cannot be tuned"):
        search(settings, tmp_path / "study.journal", 1)
