"""What the settings ask of each kind of model: what is set, else the model's own defaults."""

from dataclasses import fields
from typing import Any

import pytest

from pipeline_tasks.model_configs import model_config
from pipeline_tasks.models.mf_fitting import MfConfig
from pipeline_tasks.models.network import SequenceConfig
from pipeline_tasks.settings import MODELS, TrainSettings

WEIGHTS = (0.0, 1.0, 3.0)


def asked(settings: Any, name: str) -> Any:
    return model_config(settings, name, WEIGHTS, 100)


def test_the_table_of_settings_tells_the_sequence_models_defaults() -> None:
    same = {field.name for field in fields(SequenceConfig)} & TrainSettings.model_fields.keys()
    assert {"dim", "dropout", "full_length", "learning_rate"} <= same
    own, told = SequenceConfig(event_types=1), TrainSettings()
    assert {name: getattr(own, name) for name in same} == {name: getattr(told, name) for name in same}


def test_a_model_keeps_its_own_defaults_but_for_what_is_set(make_settings) -> None:
    usual, own = asked(make_settings(), "mf"), MfConfig(novel_targets=True, weights=WEIGHTS)
    assert usual == own
    changed = asked(make_settings(train={"learning_rate": 0.5}), "mf")
    assert (changed.learning_rate, changed.patience) == (0.5, own.patience)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_configuration(name: str, make_settings) -> None:
    assert asked(make_settings(), name)
