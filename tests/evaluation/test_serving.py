"""Who serves: every branch of the rule, with its reason."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline_tasks.evaluation.serving import Bar, Candidate, Comparison, Decision, Rule, choose

CHALLENGER = Candidate("c", "transformer", 0.30)
CHAMPION = Candidate("old", "transformer", 0.25)
BASELINES = (Candidate("p", "popular", 0.10), Candidate("k", "item_knn", 0.20))
BAR = Bar("estimate", 0.0, 30)


def compared(
    challenger: float, other: float, users: int = 40, against: str = "transformer", doubt: float = 0.03
) -> Comparison:
    """Return a comparison whose interval reaches `doubt` to both sides of the difference."""
    difference = challenger - other
    return Comparison(against, challenger, other, users, (difference - doubt, difference + doubt), 0.95)


def decided(**changed: Any) -> Decision:
    arguments: dict[str, Any] = {
        "challenger": CHALLENGER,
        "champion": CHAMPION,
        "baselines": BASELINES,
        "comparison": compared(0.30, 0.25),
        "bar": BAR,
        "evidence": 40,
        **changed,
    }
    return choose(**arguments)


def first_night(**changed: Any) -> Decision:
    return decided(**{"champion": None, "comparison": compared(0.30, 0.20, against="item_knn"), **changed})


def test_a_better_challenger_serves() -> None:
    assert decided() == Decision(
        "c",
        "transformer",
        "the challenger is better than transformer (NDCG 0.3000 and 0.2500, difference +0.0500, 95% interval "
        "+0.0200 to +0.0800, 40 users), the champion so far",
    )


def test_a_challenger_as_good_as_the_champion_serves() -> None:
    assert decided(comparison=compared(0.25, 0.25)).model_version == "c"


def test_a_worse_challenger_leaves_the_champion() -> None:
    decision = decided(comparison=compared(0.24, 0.25))
    assert decision.model_version == "old"
    assert "the champion stays: the challenger transformer is worse" in decision.reason


def test_a_worse_challenger_within_the_tolerance_serves_and_is_told_why() -> None:
    decision = decided(comparison=compared(0.24, 0.25), bar=replace(BAR, tolerance=0.02))
    assert decision.model_version == "c"
    assert decision.reason.startswith("the challenger is worse")
    assert decision.reason.endswith("; evaluate.tolerance is 0.02")
    for better in (0.25, 0.26):
        assert (
            "tolerance"
            not in decided(comparison=compared(better, 0.25), bar=replace(BAR, tolerance=0.02)).reason
        )


def test_too_few_users_after_both_cuts_leave_the_champion() -> None:
    decision = decided(comparison=compared(0.9, 0.1, 29))
    assert (decision.model_version, "not enough evidence, 29 of 30" in decision.reason) == ("old", True)


def test_the_holdout_says_nothing_where_the_days_after_both_cuts_do() -> None:
    worse = Candidate("c", "transformer", 0.01)
    assert decided(challenger=worse, comparison=compared(0.3, 0.2)).model_version == "c"


def test_without_a_challenger_the_champion_stays() -> None:
    assert decided(challenger=None, comparison=None).model_version == "old"


def test_the_first_challenger_serves_if_it_reaches_the_best_baseline() -> None:
    decision = first_night()
    assert decision.model_version == "c"
    assert "better than item_knn" in decision.reason


def test_the_first_challenger_below_the_best_baseline_leaves_it_the_night() -> None:
    weak = compared(0.19, 0.20, against="item_knn")
    assert first_night(comparison=weak).model_version == "k"
    assert first_night(comparison=weak, bar=replace(BAR, tolerance=0.02)).model_version == "c"


def test_without_challenger_and_champion_the_best_baseline_serves() -> None:
    decision = first_night(challenger=None, comparison=None)
    assert (decision.model_version, "there is no challenger" in decision.reason) == ("k", True)


def test_without_evidence_and_champion_popular_serves() -> None:
    decision = first_night(evidence=29)
    assert (decision.model_version, "29 of 30 holdout users" in decision.reason) == ("p", True)


def test_of_equal_baselines_popular_serves() -> None:
    equal = (Candidate("p", "popular", 0.2), Candidate("k", "item_knn", 0.2))
    assert first_night(challenger=None, comparison=None, baselines=equal).model_version == "p"


@pytest.mark.parametrize(
    ("rule", "difference", "serves"),
    [
        ("estimate", 0.0, True),
        ("estimate", -0.01, False),
        ("unless_worse", -0.02, True),  # up to 0.01 above
        ("unless_worse", -0.04, False),
        ("if_not_worse", 0.02, False),  # down to 0.01 below
        ("if_not_worse", 0.04, True),
    ],
)
def test_each_rule_asks_another_part_of_the_interval(rule: Rule, difference: float, serves: bool) -> None:
    bar = replace(BAR, rule=rule)
    champion = decided(bar=bar, comparison=compared(0.25 + difference, 0.25))
    assert champion.model_version == ("c" if serves else "old")
    baseline = first_night(bar=bar, comparison=compared(0.20 + difference, 0.20, against="item_knn"))
    assert baseline.model_version == ("c" if serves else "k")


def test_a_rule_that_decides_against_the_estimate_is_named() -> None:
    bar = replace(BAR, rule="unless_worse")
    assert decided(bar=bar, comparison=compared(0.24, 0.25)).reason == (
        "the challenger is worse than transformer (NDCG 0.2400 and 0.2500, difference -0.0100, 95% interval "
        "-0.0400 to +0.0200, 40 users), the champion so far; evaluate.rule is unless_worse"
    )
    assert "evaluate.rule" not in decided(bar=bar, comparison=compared(0.15, 0.25)).reason


def test_a_tolerance_moves_the_whole_interval() -> None:
    bar = Bar("if_not_worse", 0.04, 30)
    assert decided(bar=bar, comparison=compared(0.25, 0.25)).model_version == "c"
    assert decided(bar=bar, comparison=compared(0.23, 0.25)).model_version == "old"


def test_no_users_in_common_are_no_evidence() -> None:
    nobody = Comparison("transformer", 0.0, 0.0, 0, None, 0.95)
    assert "not enough evidence, 0 of 30" in decided(comparison=nobody).reason
    assert nobody.to_json() == {"against": "transformer", "difference": 0.0, "interval": None, "users": 0}
