"""Nights with hardly any data, from training tables to staged lists: each ends in lists, never in an error."""

from typing import Any

import pytest

from pipeline_tasks.model_store import KINDS
from tests.stages.model_night import QUICK, N, run_all, staged
from tests.training_night import write_training_tables

MODELS = sorted(KINDS)
PLACES = N + 3


def asked(make_settings: Any, model: str, **other: Any) -> Any:
    train = {**QUICK["train"], "model": model, "epochs": 2}
    return make_settings(**{**QUICK, "train": train, "evaluate": {"tolerance": 1.0}, **other})


@pytest.mark.parametrize("model", MODELS)
def test_a_user_with_one_event_gets_a_full_list_without_it(model: str, make_settings, lake) -> None:
    write_training_tables(lake, users=40, more=[[5]])
    reports = run_all(asked(make_settings, model))
    assert reports["evaluate"].facts["serving"]["name"] == model
    own = staged(lake, "top_n").query("user_id == 'u041'")
    assert own["rank"].tolist() == list(range(1, PLACES + 1))
    assert "i05" not in set(own["item_id"])
    by_model = own[own["source"] == "model"]
    assert set(by_model["reason"]) <= {"i05"}
    assert len(by_model) == 0 if model == "popular" else len(by_model)


@pytest.mark.parametrize("model", MODELS)
def test_users_with_one_event_each_are_no_evidence_and_get_popular_lists(
    model: str, make_settings, lake
) -> None:
    write_training_tables(lake, users=0, cold_users=0, more=[[1 + user % 6] for user in range(20)])
    reports = run_all(asked(make_settings, model))
    assert model in reports["train"].summary
    assert "not enough evidence: 0 of 10" in reports["evaluate"].facts["serving"]["reason"]
    lists = staged(lake, "top_n")
    assert lists.groupby("user_id").size().tolist() == [PLACES] * 20
    assert set(lists["source"]) == {"popular"}


@pytest.mark.parametrize("model", MODELS)
def test_of_a_catalogue_of_one_item_who_has_it_gets_nothing_and_others_get_it(
    model: str, make_settings, lake
) -> None:
    have_it = [[1, 1]] * 12
    write_training_tables(lake, users=3, cold_users=3, items=1, cold_items=0, more=have_it)
    run_all(asked(make_settings, model))
    lists = staged(lake, "top_n")
    assert lists[["user_id", "item_id", "rank"]].values.tolist() == [
        [user, "i01", 1] for user in sorted(lists["user_id"])
    ]
    assert set(lists["user_id"]) == {"u001", "u002", "u003"}
    assert not len(staged(lake, "similar_items"))


@pytest.mark.parametrize("model", MODELS)
def test_events_in_the_holdout_alone_leave_nothing_to_learn_from(model: str, make_settings, lake) -> None:
    write_training_tables(lake, users=0, cold_users=0, more=[[1, 3, 5], [2, 4]], holdout_days=9)
    reports = run_all(asked(make_settings, model))
    assert reports["train"].summary == "no events before the holdout: only the baselines"
    assert reports["evaluate"].facts["serving"]["name"] == "popular"
    lists = staged(lake, "top_n")
    assert lists.groupby("user_id").size().tolist() == [PLACES] * 2


@pytest.mark.parametrize("model", ["transformer", "als"])
def test_where_nothing_can_be_had_nobody_gets_a_list(model: str, make_settings, lake) -> None:
    write_training_tables(lake, users=30, unavailable=range(1, 25))
    run_all(asked(make_settings, model))
    for table in ("top_n", "popular", "similar_items"):
        assert not len(staged(lake, table)), table
