"""Who starts a stage elsewhere and the stage agree on what its results are made with."""

from typing import Any

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.settings import agreed, load, require_agreement


def test_a_stage_agrees_where_only_places_judgements_or_the_model_of_the_run_are_others(
    make_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    launchers = make_settings(lake="s3://bucket/lake", recommend={"n": 10})
    of_the_run = {"train": {"model": "ease,mf", "launcher": "kubernetes"}, "check": {"stops": []}}
    stages = make_settings(recommend={"n": 10}, **of_the_run)
    assert agreed(stages) == agreed(launchers) != agreed(make_settings())
    require_agreement(make_settings())  # nobody has said anything
    for name, value in agreed(launchers).items():
        monkeypatch.setenv(name, value)
    require_agreement(stages)
    assert load().recommend.n == make_settings().recommend.n  # the variable is known, and no setting


@pytest.mark.parametrize("changed", [{"recommend": {"n": 10}}, {"train": {"dim": 32}}, {"seed": 8}])
def test_a_stage_with_another_file_is_refused(
    make_settings: Any, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    for name, value in agreed(make_settings(**changed)).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Refused, match=r"build the image anew, with the nightjar\.toml"):
        require_agreement(make_settings())
