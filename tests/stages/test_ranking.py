"""The second stage over a night: learnt where features tell more than histories, left out where they do not."""

import json
import re
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load, save

from pipeline_tasks import model_store
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.ranking.rerank import USERS_AT_ONCE
from pipeline_tasks.stages import evaluate, recommend, train
from pipeline_tasks.stages.train.ranking import by_day
from tests.models.worlds import HOUR, histories
from tests.ranking_night import DAYS, write_ranking_night
from tests.training_night import EXAMPLES, NIGHT, put

QUICK: dict[str, Any] = {
    "train": {
        "dim": 16,
        "epochs": 4,
        "batch_events": 64,
        "learning_rate": 0.01,
        "device": "cpu",
    },
    "evaluate": {"tolerance": 0.5},
    "recommend": {"n": 5, "spares": 3, "files": 1, "popular": 6, "similar": 0},
    "dataset": {"holdout_min_users": 10},
    "ranking": {"candidates": 40, "epochs": 30, "learning_rate": 0.01},
}


@pytest.fixture
def settings(make_settings) -> Any:
    return make_settings(**QUICK)


def metrics(settings: Any) -> dict[str, dict[str, float]]:
    train.run(settings, NIGHT)
    return evaluate.run(settings, NIGHT).facts["metrics"]


def test_what_features_tell_is_learnt_and_found_on_the_holdout(settings, lake) -> None:
    write_ranking_night(lake)
    found = metrics(settings)
    ranked, alone = found["challenger transformer with ranking"], found["challenger transformer"]
    assert ranked["ndcg@10"] > alone["ndcg@10"] + 0.2


def test_lists_come_in_the_rankers_order_with_reasons_and_the_seen_left_out(settings, lake) -> None:
    write_ranking_night(lake)
    train.run(settings, NIGHT)
    evaluate.run(settings, NIGHT)
    report = recommend.run(settings, NIGHT)
    assert report.facts["model"] == "transformer with ranking"
    lists = tables.read_table(lake, layout.night("staged/top_n", NIGHT), "recommend").to_pandas()
    own = {
        f"u{row['user_index']:03d}": {f"i{item:02d}" for item in row["items"]}
        for row in tables.read_table(lake, layout.night("training/sequences", NIGHT), "dataset").to_pylist()
    }
    for user, rows in lists.groupby("user_id"):
        assert list(rows["rank"]) == list(range(1, 9))
        assert rows["score"].is_monotonic_decreasing
        assert not set(rows["item_id"]) & own[user]
        assert set(rows["reason"]) <= own[user]


def test_features_that_tell_nothing_leave_retrieval_alone(settings, lake) -> None:
    write_ranking_night(lake, signal=False)
    # what cannot help may still look better by chance, but then it must be told
    summary = train.run(settings, NIGHT).summary
    saved = model_store.read(lake, json.loads(lake.read(layout.candidates(NIGHT)))["challenger"])
    assert (saved.ranker is None) == ("no ranking: retrieval alone is as good" in summary)


def test_a_ranker_is_the_same_again_and_part_of_the_models_version(settings, make_settings, lake) -> None:
    write_ranking_night(lake)
    first, again = (train.run(settings, NIGHT).facts["challenger"] for _ in range(2))
    assert first == again
    alone = train.run(make_settings(**{**QUICK, "ranking": {"enabled": False}}), NIGHT)
    assert alone.facts["challenger"] != first
    assert "ranking" not in alone.summary


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_feature_that_is_no_number_moves_no_list_out_of_order(settings, lake, bad: float) -> None:
    write_ranking_night(lake)
    train.run(settings, NIGHT)
    partition = layout.night("features/item_features", NIGHT)
    commit = tables.read_commit(lake, partition)
    snapshot = tables.read_table(lake, partition, "features")
    column = snapshot.schema.get_field_index("price")
    prices = snapshot["price"].to_numpy().copy()
    prices[::2] = bad
    spoilt = snapshot.set_column(column, snapshot.schema.field("price"), [prices])
    tables.write_table(lake, partition, spoilt, facts=commit.facts, name="part.parquet")
    evaluate.run(settings, NIGHT)
    recommend.run(settings, NIGHT)
    lists = tables.read_table(lake, layout.night("staged/top_n", NIGHT), "recommend").to_pandas()
    assert np.isfinite(lists["score"]).all()
    assert (lists.groupby("user_id").size() == 8).all()


def test_where_few_users_come_in_a_day_the_validation_takes_more_days_and_so_do_the_examples(
    make_settings, lake
) -> None:
    write_ranking_night(lake, days=60, every=20)
    few = {**QUICK, "dataset": {"holdout_min_users": 30}, "ranking": {**QUICK["ranking"], "days": 4}}
    found = train.run(make_settings(**few), NIGHT).facts["ranking"]
    assert found["validation_users"] >= 30
    assert found["validation_days"] > 4
    assert found["examples"] > 16  # four users a day
    few["dataset"]["holdout_max_days"] = 6
    summary = train.run(make_settings(**few), NIGHT).summary
    assert re.search(r"no ranking: \d\d of 30 users to validate it on in 6 days", summary)


def test_a_user_stands_where_the_day_began_and_few_stand_there_at_once() -> None:
    known = histories(
        [list(range(1, 49)), list(range(49, 73))]
    )  # an hour apart, the last an hour before the end
    users = np.repeat(np.array([1, 2], np.int32), 300)
    days = known.times.max() + HOUR - HOUR * (np.arange(600) % 72)
    blocks = list(by_day(known, users, days))
    assert [len(block) for block in blocks] == [USERS_AT_ONCE, USERS_AT_ONCE, 600 - 2 * USERS_AT_ONCE]
    found = [block.rows(np.array([row])).items.tolist() for block in blocks for row in range(len(block))]
    own = {1: known.rows(np.array([0])), 2: known.rows(np.array([1]))}
    assert found == [own[u].items[own[u].times < day].tolist() for u, day in zip(users, days, strict=True)]


def test_a_night_without_examples_or_snapshots_says_so(settings, lake) -> None:
    write_ranking_night(lake)
    put(lake, "training/examples", NIGHT, EXAMPLES.empty_table(), {})
    said = "no ranking: no examples before its validation of 1 day (features.snapshots is 14, all of its days take 17)"
    assert train.run(settings, NIGHT).summary.endswith(said)


def test_snapshots_of_a_later_night_do_not_exist_yet(settings, lake) -> None:
    write_ranking_night(lake)
    partitions = sorted({key.rpartition("/")[0] for key in lake.keys("features/item_features/")})
    for partition in partitions:
        table, commit = tables.read_table(lake, partition, "features"), tables.read_commit(lake, partition)
        facts = {**commit.facts, "written_by": "2026-02-01"}
        tables.write_table(lake, partition, table, facts=facts, name="part.parquet")
    assert "no ranking: no feature snapshot" in train.run(settings, NIGHT).summary


def test_a_model_that_served_before_the_examples_says_what_it_would_have_retrieved(
    settings, lake, capsys
) -> None:
    earlier = NIGHT - timedelta(days=DAYS + 1)
    write_ranking_night(lake, earlier)
    train.run(settings, earlier)
    assert "transformer-before:" in capsys.readouterr().err
    evaluate.run(settings, earlier)
    write_ranking_night(lake)
    assert train.run(settings, NIGHT).facts["ranking"]["examples"] > 0
    assert "transformer-before:" not in capsys.readouterr().err


def test_a_ranker_of_other_features_is_done_without(settings, lake) -> None:
    write_ranking_night(lake)
    version = train.run(settings, NIGHT).facts["challenger"]
    key = f"{layout.model(version)}/config.json"
    config = json.loads(lake.read(key))
    config["ranker"]["config"]["features"][0] = "user_features__shoe_size"
    lake.write(key, json.dumps(config).encode())
    found = evaluate.run(settings, NIGHT)
    assert found.facts["serving"]["name"] == "transformer"
    assert "challenger transformer with ranking" not in found.facts["metrics"]
    assert recommend.run(settings, NIGHT).facts["model"] == "transformer"


def test_a_ranker_that_is_no_help_on_the_holdout_does_not_serve(settings, lake, monkeypatch) -> None:
    write_ranking_night(lake)
    version = train.run(settings, NIGHT).facts["challenger"]
    weights = f"{layout.model(version)}/weights.safetensors"
    tensors = load(lake.read(weights))
    tensors["ranker.retrieval"] = -100 * tensors["ranker.retrieval"].abs()
    lake.write(weights, save(tensors))
    found = evaluate.run(settings, NIGHT)
    metrics = found.facts["metrics"]
    assert (
        metrics["challenger transformer with ranking"]["ndcg@10"]
        < metrics["challenger transformer"]["ndcg@10"]
    )
    assert (found.facts["serving"]["name"], found.facts["ranking"]) == ("transformer", False)
    assert recommend.run(settings, NIGHT).facts["model"] == "transformer"
    following = NIGHT + timedelta(days=1)
    assert model_store.served(lake, model_store.champion_before(lake, following)).ranker is None


def test_without_examples_of_the_night_the_stage_to_run_is_named(settings, lake: Store) -> None:
    write_ranking_night(lake)
    lake.delete(lake.keys("training/examples/"))
    with pytest.raises(Refused, match="run dataset for this night first"):
        train.run(settings, NIGHT)
