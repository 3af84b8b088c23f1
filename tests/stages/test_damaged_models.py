"""Checkpoints and models that a crash or a disk has spoilt: training starts anew, or one line says which and what to do."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipeline_tasks import model_store
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, records, tables
from pipeline_tasks.models.checkpoint import config_bytes, weights_bytes
from pipeline_tasks.running import run_stage
from pipeline_tasks.stages import evaluate, recommend, train
from pipeline_tasks.training_data import read_training_data
from tests.stages.model_night import QUICK, run_all
from tests.training_night import NIGHT, put, write_training_tables

NEXT = NIGHT + timedelta(days=1)
STAGES = {"train": train, "evaluate": evaluate, "recommend": recommend}


@pytest.fixture
def settings(make_settings) -> Any:
    return make_settings(**QUICK)


def killed_after_an_epoch(settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run train until its first checkpoint lies in the lake; return the checkpoint's key."""

    class Killed(BaseException):
        pass

    def write(self: Any, data: bytes) -> None:
        self.store.write(self.key, data)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(model_store.StoreCheckpoint, "write", write)
        with pytest.raises(Killed):
            train.run(settings, NIGHT)
    return layout.checkpoint(NIGHT, "transformer")


@pytest.mark.parametrize("kept_bytes", [0, 100, -1])
def test_a_truncated_checkpoint_does_not_end_the_night(
    kept_bytes: int, settings, lake, monkeypatch, capsys
) -> None:
    write_training_tables(lake)
    whole = train.run(settings, NIGHT).facts["challenger"]
    key = killed_after_an_epoch(settings, monkeypatch)
    lake.write(key, lake.read(key)[:kept_bytes])
    assert train.run(settings, NIGHT).facts["challenger"] == whole
    said = capsys.readouterr().err
    assert "transformer: starting anew: the checkpoint is damaged" in said
    assert "going on after" not in said
    assert not lake.keys("models/checkpoints/")


def test_a_checkpoint_of_another_shape_is_not_gone_on_from(make_settings, lake, monkeypatch, capsys) -> None:
    write_training_tables(lake)
    wider = make_settings(**{**QUICK, "train": {**QUICK["train"], "dim": 32}})
    whole = train.run(wider, NIGHT).facts["challenger"]
    killed_after_an_epoch(make_settings(**QUICK), monkeypatch)
    assert train.run(wider, NIGHT).facts["challenger"] == whole
    assert "going on after" not in capsys.readouterr().err


def test_a_champion_of_another_shape_is_compared_with_but_not_gone_on_from(make_settings, lake) -> None:
    write_training_tables(lake)
    run_all(make_settings(**QUICK))
    write_training_tables(lake, NEXT, seed=2)
    reports = run_all(make_settings(**{**QUICK, "train": {**QUICK["train"], "dim": 32}}), NEXT)
    challenger = model_store.read(lake, reports["train"].facts["challenger"])
    assert not challenger.state.facts["warm_start"]
    assert {"challenger transformer", "champion transformer"} <= set(reports["evaluate"].facts["metrics"])


def truncated(folder: str, lake: Any) -> None:
    lake.write(f"{folder}/weights.safetensors", lake.read(f"{folder}/weights.safetensors")[:-10])


def half_told(folder: str, lake: Any) -> None:
    lake.write(f"{folder}/config.json", b'{"name": "transformer"}')


def of_another_shape(folder: str, lake: Any) -> None:
    config = json.loads(lake.read(f"{folder}/config.json"))
    config["facts"]["config"]["dim"] = 32
    lake.write(f"{folder}/config.json", config_bytes(config))


def of_another_kind(folder: str, lake: Any) -> None:
    weights = {"items": model_store.read(lake, folder.rpartition("/")[2]).state.tensors["content"]}
    lake.write(f"{folder}/weights.safetensors", weights_bytes(weights))


def of_a_later_release(folder: str, lake: Any) -> None:
    config = json.loads(lake.read(f"{folder}/config.json"))
    config["facts"]["config"]["telepathy"] = True
    lake.write(f"{folder}/config.json", config_bytes(config))


SPOILT: dict[str, tuple[Callable[[str, Any], None], str]] = {
    "truncated": (truncated, r"models/{version} holds no whole model: the model's files are damaged"),
    "half told": (half_told, r"models/{version} holds no whole model"),
    "of another shape": (
        of_another_shape,
        r"model {version} cannot be loaded as transformer: .*size mismatch",
    ),
    "of another kind": (of_another_kind, r"model {version} cannot be loaded as transformer: 'content'"),
    "of a later release": (
        of_a_later_release,
        r"model {version} cannot be loaded as transformer: .*telepathy",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_champion_ends_the_next_night_in_a_line_that_names_it(case: str, settings, lake) -> None:
    write_training_tables(lake)
    reports = run_all(settings)
    version = reports["evaluate"].facts["serving"]["model_version"]
    write_training_tables(lake, NEXT, seed=2)
    train.run(settings, NEXT)
    spoil, expected = SPOILT[case]
    spoil(layout.model(version), lake)
    for stage in ("train", "evaluate"):
        assert run_stage(settings, stage, NEXT) == 2
        reason = records.read(lake, NEXT, stage).reason
        assert "\n" not in reason
        assert reason.endswith("(run train for its night again)")
        with pytest.raises(Refused, match=expected.format(version=version)):
            STAGES[stage].run(settings, NEXT)
    # what the line says helps: the same night gives the same model
    assert train.run(settings, NIGHT).facts["challenger"] == version
    assert run_stage(settings, "train", NEXT) == 0


@pytest.mark.parametrize(
    "spoil", [truncated, half_told, lambda folder, lake: lake.write(f"{folder}/config.json", b"{")]
)
def test_a_spoilt_model_of_old_is_done_without(spoil: Callable[[str, Any], None], settings, lake) -> None:
    write_training_tables(lake)
    version = run_all(settings)["evaluate"].facts["serving"]["model_version"]
    cut, data = model_store.read(lake, version).cut, read_training_data(lake, NIGHT)
    found = model_store.champion_of_old(lake, NEXT, "transformer", cut, data)
    assert found is not None
    assert found.version == version
    spoil(layout.model(version), lake)
    assert model_store.champion_of_old(lake, NEXT, "transformer", cut, data) is None


def goes_on(settings: Any, lake: Any) -> bool:
    """Train for the next night, and say whether that went on from the champion."""
    challenger = model_store.read(lake, train.run(settings, NEXT).facts["challenger"])
    return bool(challenger.state.facts["warm_start"])


def test_a_model_that_numbers_users_otherwise_is_not_gone_on_from_and_does_not_serve(
    make_settings: Any, lake: Any
) -> None:
    settings = make_settings(**{**QUICK, "train": {**QUICK["train"], "warm_start": True}})
    write_training_tables(lake)
    version = run_all(settings)["evaluate"].facts["serving"]["model_version"]
    write_training_tables(lake, NEXT, seed=2)
    assert goes_on(settings, lake)
    assert f"champion {version}" not in evaluate.run(settings, NEXT).summary
    people = tables.read_table(lake, layout.night("training/users", NEXT), "dataset")
    renamed = people.set_column(0, "user_index", people["user_index"][::-1])
    put(lake, "training/users", NEXT, renamed.sort_by("user_index"), {})
    with pytest.raises(Refused, match=r"numbers users and items otherwise .*run train, evaluate"):
        recommend.run(settings, NEXT)
    assert not goes_on(settings, lake)
    report = evaluate.run(settings, NEXT)
    assert report.inputs["champion"] == "none"
    assert f"the champion {version} is left out: it numbers users and items otherwise" in report.summary


def test_a_spoilt_model_that_was_to_serve_is_refused(settings, lake) -> None:
    write_training_tables(lake)
    reports = run_all(settings)
    truncated(layout.model(reports["evaluate"].facts["serving"]["model_version"]), lake)
    assert run_stage(settings, "recommend", NIGHT) == 2
    assert "holds no whole model" in records.read(lake, NIGHT, "recommend").reason


@pytest.mark.parametrize(
    ("key", "stage", "maker"),
    [(layout.candidates(NIGHT), "evaluate", "train"), (layout.champion(NIGHT), "recommend", "evaluate")],
)
def test_a_truncated_answer_of_an_earlier_stage_is_named(
    key: str, stage: str, maker: str, settings, lake
) -> None:
    write_training_tables(lake)
    run_all(settings)
    lake.write(key, lake.read(key)[:20])
    assert run_stage(settings, stage, NIGHT) == 2
    reason = records.read(lake, NIGHT, stage).reason
    assert f"{key} is damaged" in reason
    assert f"(run {maker} for its night again)" in reason
