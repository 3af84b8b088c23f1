"""Who serves: challenger, champion and baselines on the same holdout, and why."""

import json
from datetime import timedelta
from typing import Any

import pytest

from pipeline_tasks import model_store
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.stages import train
from tests.stages.model_night import QUICK, N, run_all, staged
from tests.training_night import NIGHT, write_training_tables


@pytest.fixture
def settings(make_settings) -> Any:
    return make_settings(**QUICK)


def test_the_next_night_starts_from_the_champion_and_compares_with_it(settings, lake) -> None:
    write_training_tables(lake)
    run_all(settings)
    later = NIGHT + timedelta(days=1)
    write_training_tables(lake, later, items=26, users=62, seed=2)
    reports = run_all(settings, later)
    assert reports["train"].facts["training"]["transformer"]
    assert "champion transformer" in reports["evaluate"].facts["metrics"]
    assert reports["evaluate"].facts["role"] in ("challenger", "champion")
    assert staged(lake, "top_n", later)["user_id"].nunique() == 62


@pytest.mark.parametrize("name", ["transformer", "als"])
def test_a_new_event_type_before_the_others_takes_nothing_from_the_champion(
    name, make_settings, lake
) -> None:
    settings = make_settings(**{**QUICK, "train": {**QUICK["train"], "model": name}})
    later = NIGHT + timedelta(days=1)
    write_training_tables(lake)
    run_all(settings)
    write_training_tables(lake, later, seed=2)
    before = run_all(settings, later)
    write_training_tables(lake, later, seed=2, event_types=("wishlist", "view"))
    after = run_all(settings, later)
    champion = [each["evaluate"].facts["metrics"][f"champion {name}"] for each in (before, after)]
    assert champion[0] == champion[1]
    challenger = model_store.read(lake, after["train"].facts["challenger"])
    assert challenger.event_types == ("wishlist", "view")
    assert challenger.state.facts.get("warm_start", True)


@pytest.mark.parametrize(("holdout_days", "goes_on"), [(1, True), (2, True), (3, False)])
def test_a_challenger_does_not_go_on_from_a_champion_that_knows_its_holdout(
    holdout_days: int, goes_on: bool, settings, lake
) -> None:
    write_training_tables(lake)
    run_all(settings)
    later = NIGHT + timedelta(days=1)
    write_training_tables(lake, later, seed=2, holdout_days=holdout_days)
    challenger = train.run(settings, later).facts["challenger"]
    assert model_store.read(lake, challenger).state.facts["warm_start"] == goes_on


def test_metrics_and_the_difference_that_decides_have_intervals(make_settings, lake) -> None:
    write_training_tables(lake)
    wide, narrow = (
        run_all(make_settings(**{**QUICK, "evaluate": {"confidence": confidence}}))["evaluate"].facts
        for confidence in (0.95, 0.5)
    )
    assert wide["intervals"].keys() == wide["metrics"].keys()
    for name, intervals in wide["intervals"].items():
        assert intervals.keys() == {"ndcg@10", "recall@10", "mrr@10"}  # coverage is no mean over users
        for metric, (low, high) in intervals.items():
            inner_low, inner_high = narrow["intervals"][name][metric]
            assert low <= inner_low <= wide["metrics"][name][metric] <= inner_high <= high
    compared = wide["comparison"]
    own, other = (
        wide["metrics"][name]["ndcg@10"] for name in ("challenger transformer", compared["against"])
    )
    assert compared["difference"] == pytest.approx(own - other)
    assert compared["users"] == wide["holdout"]["users"]
    low, high = compared["interval"]
    assert f"95% interval {low:+.4f} to {high:+.4f}" in wide["serving"]["reason"]


def test_the_rule_is_a_setting(make_settings, lake) -> None:
    write_training_tables(lake)
    run_all(make_settings(**QUICK))
    later = NIGHT + timedelta(days=1)
    write_training_tables(lake, later, seed=2)
    found = {
        rule: run_all(make_settings(**{**QUICK, "evaluate": {"rule": rule}}), later)["evaluate"].facts
        for rule in ("estimate", "unless_worse", "if_not_worse")
    }
    low, high = found["estimate"]["comparison"]["interval"]
    difference = found["estimate"]["comparison"]["difference"]
    assert found["estimate"]["comparison"]["against"] == "transformer"
    for rule, value in (("estimate", difference), ("unless_worse", high), ("if_not_worse", low)):
        assert found[rule]["role"] == ("challenger" if value >= 0 else "champion")


def test_too_little_evidence_lets_the_popular_list_serve(make_settings, lake) -> None:
    settings = make_settings(**{**QUICK, "dataset": {"holdout_min_users": 1000}})
    write_training_tables(lake)
    facts = run_all(settings)["evaluate"].facts
    assert facts["serving"]["name"] == "popular"
    assert "not enough evidence" in facts["serving"]["reason"]
    lists = staged(lake, "top_n")
    assert set(lists["source"]) == {"popular"}
    assert set(lists["reason"]) == {"all", "country=DE", "country=FR"}
    assert lists.groupby("user_id").size().unique() == [N + 3]
    assert len(staged(lake, "similar_items"))


def test_who_serves_is_kept_without_clock_or_place(settings, lake) -> None:
    write_training_tables(lake)
    run_all(settings)
    kept = json.loads(lake.read(layout.champion(NIGHT)))
    assert {
        "model_version",
        "name",
        "reason",
        "role",
        "ranking",
        "metrics",
        "intervals",
        "comparison",
        "holdout",
        "run_date",
        "serving",
        "trials",
    } == set(kept)


def test_of_several_models_validation_picks_the_challenger(make_settings, lake) -> None:
    write_training_tables(lake)
    names = ["popular", "gru4rec", "transformer"]
    settings = make_settings(**{**QUICK, "train": {**QUICK["train"], "model": names, "epochs": 3}})
    reports = run_all(settings)
    facts = reports["train"].facts
    assert set(facts["trials"]) == set(names)
    best = max(facts["trials"], key=facts["trials"].get)
    assert best != "popular"
    assert model_store.read(lake, facts["challenger"]).name == best
    made = tables.require_commit(lake, layout.night("staged/top_n", NIGHT), "recommend").facts
    assert made["trials"] == facts["trials"]
