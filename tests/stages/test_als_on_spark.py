"""A night whose als is fitted by Spark ML: train asks the settings, and everything after it is as ever."""

from typing import Any

import pytest

from pipeline_tasks import model_store
from pipeline_tasks.stages import train
from tests.stages.model_night import QUICK, run_all, staged
from tests.training_night import NIGHT, write_training_tables


@pytest.fixture
def cluster(make_settings: Any, spark: Any) -> Any:
    """A function that gives settings of a cluster; the tests' session, which is active, stands for its own."""

    def settings(model: Any, **train_settings: Any) -> Any:
        # few factors, since the world has two colours: more learn who left out what
        chosen = {**QUICK, "train": {**QUICK["train"], "model": model, "als_dim": 4, **train_settings}}
        return make_settings(**chosen, spark={"master": "spark://127.0.0.1:9", "shuffle_partitions": 2})

    return settings


def test_on_a_cluster_als_is_fitted_by_spark_and_serves(cluster: Any, lake: Any) -> None:
    write_training_tables(lake)
    reports = run_all(cluster("als"))
    assert reports["train"].facts["als_by_spark"]
    assert reports["evaluate"].facts["serving"]["name"] == "als"
    lists = staged(lake, "top_n").query("source == 'model' and rank <= 2")
    colours = [lists[name].str[1:].astype(int) % 2 for name in ("user_id", "item_id")]
    assert (colours[0] == colours[1]).mean() > 0.95
    assert train.run(cluster("als"), NIGHT).outputs == reports["train"].outputs
    local = train.run(cluster("als", als_solver="local"), NIGHT)
    assert not local.facts["als_by_spark"]
    assert local.facts["challenger"] != reports["train"].facts["challenger"]


def test_where_models_compete_spark_does_not_see_the_answers_either(cluster: Any, lake: Any) -> None:
    write_training_tables(lake)
    trials = train.run(cluster(["popular", "als"]), NIGHT)
    alone = train.run(cluster("als"), NIGHT)
    assert trials.facts["trials"]["als"] > trials.facts["trials"]["popular"]
    assert model_store.read(lake, trials.facts["challenger"]).name == "als"
    assert trials.facts["challenger"] != alone.facts["challenger"]
