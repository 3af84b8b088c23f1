"""From training tables to staged lists: trained, measured, chosen, ranked; killed, repeated and empty nights."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pipeline_tasks import model_store
from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.models.processes import ALONE
from pipeline_tasks.reader import bucket_of
from pipeline_tasks.settings import models
from pipeline_tasks.stages import evaluate, recommend, train
from pipeline_tasks.stages.train.work import Work
from tests.stages.model_night import QUICK, N, histories, run_all, staged
from tests.training_night import NIGHT, write_training_tables


@pytest.fixture
def settings(make_settings) -> Any:
    return make_settings(**QUICK)


def test_a_model_that_learns_serves_and_its_lists_keep_every_rule(settings, lake) -> None:
    write_training_tables(lake, unavailable=[3])
    reports = run_all(settings)
    facts = reports["evaluate"].facts
    assert facts["role"] == "challenger", facts
    assert facts["metrics"]["challenger transformer"]["ndcg@10"] > facts["metrics"]["popular"]["ndcg@10"]
    lists, seen = staged(lake, "top_n"), histories(lake)
    assert lists["user_id"].nunique() == 60
    for user, own in lists.groupby("user_id"):
        assert own["rank"].tolist() == list(range(1, N + 3 + 1))
        assert own["item_id"].is_unique
        assert own["score"].is_monotonic_decreasing
        assert not set(own["item_id"]) & set(seen.get(user, []))
    assert "i03" not in set(lists["item_id"])
    assert np.isfinite(lists["score"]).all()
    assert lists["model_version"].unique() == [facts["serving"]["model_version"]]


def test_reasons_are_of_the_users_own_history_or_name_a_list(settings, lake) -> None:
    write_training_tables(lake)
    run_all(settings)
    lists, seen = staged(lake, "top_n"), histories(lake)
    by_model = lists[lists["source"] == "model"]
    assert len(by_model)
    assert all(
        reason in seen[user] for user, reason in zip(by_model["user_id"], by_model["reason"], strict=True)
    )
    popular = lists[lists["source"] == "popular"]
    assert set(popular["reason"]) <= {"all", "country=DE", "country=FR"}


def test_users_without_history_get_their_segments_list(settings, lake) -> None:
    write_training_tables(lake)
    run_all(settings)
    lists, popular = staged(lake, "top_n"), staged(lake, "popular")
    for user, segment in (("u058", "country=FR"), ("u059", "country=DE"), ("u060", "country=FR")):
        own = lists[lists["user_id"] == user].head(N)
        first = popular[popular["list_name"] == segment].head(N)
        assert own["item_id"].tolist() == first["item_id"].tolist()
        assert set(own["reason"]) == {segment}


def test_items_without_history_are_recommended_through_their_content(settings, lake) -> None:
    write_training_tables(lake)
    run_all(settings)
    by_model = staged(lake, "top_n").query("source == 'model'")
    odd = by_model[by_model["user_id"].str[1:].astype(int) % 2 == 1]
    assert "i23" in set(odd.query("rank <= 5")["item_id"])
    similar = staged(lake, "similar_items")
    nearest = similar[(similar["item_id"] == "i23") & (similar["rank"] <= 3)]["similar_item_id"]
    assert all(int(item[1:]) % 2 == 1 for item in nearest)


@pytest.mark.parametrize(("most", "files"), [(N * 30, 2), (N * 30 - 1, 4), (N * 10, 8)])
def test_files_are_split_by_bucket_doubled_where_they_would_be_large_and_sorted(
    settings, lake, monkeypatch, most: int, files: int
) -> None:
    monkeypatch.setattr(models, "PLACES_A_FILE", most)
    write_training_tables(lake)
    run_all(settings)
    partition = layout.night("staged/top_n", NIGHT)
    assert len(tables.require_commit(lake, partition, "recommend").files) == files
    lists = staged(lake, "top_n")
    assert lists["bucket"].tolist() == [bucket_of(user, files) for user in lists["user_id"]]
    assert lists.equals(lists.sort_values(["bucket", "user_id", "rank"], ignore_index=True))


def test_the_same_night_again_gives_the_same_bytes(settings, lake) -> None:
    write_training_tables(lake)
    first = {name: report.outputs for name, report in run_all(settings).items()}
    assert {name: report.outputs for name, report in run_all(settings).items()} == first


def test_an_earlier_night_again_learns_nothing_from_a_later_one_and_leaves_its_champion(
    settings, lake
) -> None:
    later = NIGHT + timedelta(days=1)
    write_training_tables(lake)
    write_training_tables(lake, later, items=26, users=62, seed=2)
    first = {name: report.outputs for name, report in run_all(settings).items()}
    run_all(settings, later)
    champion = lake.read(layout.champion(later))
    assert {name: report.outputs for name, report in run_all(settings).items()} == first
    assert lake.read(layout.champion(later)) == champion


def test_a_training_that_was_killed_goes_on_to_the_same_weights(settings, lake, monkeypatch) -> None:
    write_training_tables(lake)
    whole = train.run(settings, NIGHT).facts["challenger"]

    class Killed(BaseException):
        pass

    written = []

    def write(self: Any, data: bytes) -> None:
        self.store.write(self.key, data)
        written.append(self.key)
        if len(written) == 3:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(model_store.StoreCheckpoint, "write", write)
        with pytest.raises(Killed):
            train.run(settings, NIGHT)
    assert lake.exists(written[0])
    assert train.run(settings, NIGHT).facts["challenger"] == whole
    assert not lake.keys("models/checkpoints/")


@pytest.mark.parametrize("name", ["item_knn", "ease", "als", "mf", "ncf"])
def test_another_model_by_setting(name, make_settings, lake) -> None:
    settings = make_settings(**{**QUICK, "train": {**QUICK["train"], "model": name}})
    write_training_tables(lake)
    reports = run_all(settings)
    assert name in reports["train"].summary
    assert reports["evaluate"].facts["serving"]["name"] == name
    lists, seen = staged(lake, "top_n"), histories(lake)
    by_model = lists[lists["source"] == "model"]
    assert set(by_model["user_id"]) == set(seen)
    assert all(row.reason in seen[row.user_id] for row in by_model.itertuples())
    assert not {"i23", "i24"} & set(by_model["item_id"])  # nobody has touched these
    assert len(staged(lake, "similar_items"))


def test_all_users_cold_is_a_night_of_popular_lists(settings, lake) -> None:
    write_training_tables(lake, users=4, cold_users=4)
    reports = run_all(settings)
    assert "only the baselines" in reports["train"].summary
    lists = staged(lake, "top_n")
    assert lists["user_id"].nunique() == 4
    assert set(lists["source"]) == {"popular"}


def test_a_catalogue_smaller_than_n_gives_what_there_is(settings, lake) -> None:
    write_training_tables(lake, items=8, cold_items=1, unavailable=[2])
    run_all(settings)
    lists, seen = staged(lake, "top_n"), histories(lake)
    for user, own in lists.groupby("user_id"):
        assert len(own) == min(N + 3, 7 - len(set(seen.get(user, [])) - {"i02"}))


def test_each_stage_names_the_one_that_must_run_before_it(settings, lake) -> None:
    with pytest.raises(Refused, match="run dataset for this night first"):
        train.run(settings, NIGHT)
    write_training_tables(lake)
    with pytest.raises(Refused, match="run train for this night first"):
        evaluate.run(settings, NIGHT)
    with pytest.raises(Refused, match="run evaluate for this night first"):
        recommend.run(settings, NIGHT)


def test_lists_that_need_more_memory_than_there_is_end_with_what_to_change(
    settings, lake, monkeypatch
) -> None:
    import torch

    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    write_training_tables(lake)
    run_all(settings)
    monkeypatch.setattr("pipeline_tasks.stages.recommend.staged.fill_lists", full)
    with pytest.raises(NightjarError, match=r"memory ran out in ranking.*lower recommend\.block_users"):
        recommend.run(settings, NIGHT)


def test_a_gpu_that_is_not_there_is_refused(make_settings, lake) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    write_training_tables(lake)
    with pytest.raises(Refused, match=r"train\.device is cuda"):
        train.run(make_settings(train={"device": "cuda"}), NIGHT)


def test_what_it_was_trained_on_is_in_the_record(make_settings, lake) -> None:
    write_training_tables(lake)
    on = {
        asked: train.run(make_settings(train={**QUICK["train"], "epochs": 1, "precision": asked}), NIGHT)
        for asked in ("auto", "bfloat16")
    }
    facts = {key: on["auto"].facts[key] for key in ("device", "precision", "compiled", "processes")}
    assert facts == {"device": "cpu", "precision": "float32", "compiled": False, "processes": 1}
    assert on["bfloat16"].facts["precision"] == "bfloat16"
    assert on["bfloat16"].facts["challenger"] != on["auto"].facts["challenger"]


@pytest.mark.parametrize(("asked", "device"), [(False, "cuda"), (True, "cuda"), (True, "cpu")])
def test_a_network_is_compiled_for_a_gpu_where_the_settings_ask_for_it(
    make_settings, lake, monkeypatch, asked, device
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    settings = make_settings(train={"torch_compile": asked})
    work = Work(settings, NIGHT, lake, None, torch.device(device), ALONE)  # type: ignore[arg-type]
    compiled = asked and device == "cuda"
    assert (work.training("transformer").compiled, work.how()["compiled"]) == (compiled, compiled)
