"""Who serves: every branch of the rule, with its reason."""

from typing import Any

from pipeline_tasks.evaluation.serving import Candidate, Comparison, Decision, choose

CHALLENGER = Candidate("c", "transformer", 0.30)
CHAMPION = Candidate("old", "transformer", 0.25)
BASELINES = (Candidate("p", "popular", 0.10), Candidate("k", "item_knn", 0.20))


def decided(**changed: Any) -> Decision:
    arguments: dict[str, Any] = {
        "challenger": CHALLENGER,
        "champion": CHAMPION,
        "baselines": BASELINES,
        "comparison": Comparison(0.30, 0.25, 40),
        "tolerance": 0.0,
        "min_users": 30,
        "evidence": 40,
        **changed,
    }
    return choose(**arguments)


def test_a_better_challenger_serves() -> None:
    assert decided() == Decision(
        "c",
        "transformer",
        "the challenger is better than transformer (NDCG 0.3000 and 0.2500, 40 users), the champion so far",
    )


def test_a_challenger_as_good_as_the_champion_serves() -> None:
    assert decided(comparison=Comparison(0.25, 0.25, 40)).model_version == "c"


def test_a_worse_challenger_leaves_the_champion() -> None:
    decision = decided(comparison=Comparison(0.24, 0.25, 40))
    assert decision.model_version == "old"
    assert "the champion stays: the challenger transformer is worse" in decision.reason


def test_a_challenger_within_the_tolerance_serves() -> None:
    assert decided(comparison=Comparison(0.24, 0.25, 40), tolerance=0.02).model_version == "c"


def test_too_few_users_after_both_cuts_leave_the_champion() -> None:
    decision = decided(comparison=Comparison(0.9, 0.1, 29))
    assert (decision.model_version, "not enough evidence, 29 of 30" in decision.reason) == ("old", True)


def test_the_holdout_says_nothing_where_the_days_after_both_cuts_do() -> None:
    worse = Candidate("c", "transformer", 0.01)
    assert decided(challenger=worse, comparison=Comparison(0.3, 0.2, 40)).model_version == "c"


def test_without_a_challenger_the_champion_stays() -> None:
    assert decided(challenger=None, comparison=None).model_version == "old"


def test_the_first_challenger_serves_if_it_reaches_the_best_baseline() -> None:
    decision = decided(champion=None, comparison=None)
    assert decision.model_version == "c"
    assert "better than item_knn" in decision.reason


def test_the_first_challenger_below_the_best_baseline_leaves_it_the_night() -> None:
    weak = Candidate("c", "transformer", 0.19)
    assert decided(champion=None, comparison=None, challenger=weak).model_version == "k"
    assert decided(champion=None, comparison=None, challenger=weak, tolerance=0.02).model_version == "c"


def test_without_challenger_and_champion_the_best_baseline_serves() -> None:
    decision = decided(champion=None, challenger=None, comparison=None)
    assert (decision.model_version, "there is no challenger" in decision.reason) == ("k", True)


def test_without_evidence_and_champion_popular_serves() -> None:
    decision = decided(champion=None, comparison=None, evidence=29)
    assert (decision.model_version, "29 of 30 holdout users" in decision.reason) == ("p", True)


def test_of_equal_baselines_popular_serves() -> None:
    equal = (Candidate("p", "popular", 0.2), Candidate("k", "item_knn", 0.2))
    assert decided(champion=None, challenger=None, comparison=None, baselines=equal).model_version == "p"
