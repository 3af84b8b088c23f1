"""Who serves tonight: what was measured of challenger, champion and baselines in, one of them with a reason out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

FALLBACK = "popular"
Rule = Literal["estimate", "unless_worse", "if_not_worse"]


@dataclass(frozen=True)
class Candidate:
    """A model that may serve, and its NDCG on the holdout (None: not measured)."""

    model_version: str
    name: str
    ndcg: float | None = None


@dataclass(frozen=True)
class Comparison:
    """NDCG of the challenger and of the model `against` which it is held, on the same users.

    Against the champion these are users of days after the cuts of both. `interval` is of the mean difference
    over users, by paired bootstrap of this `confidence`; None without users.
    """

    against: str
    challenger: float
    other: float
    users: int
    interval: tuple[float, float] | None
    confidence: float

    @property
    def difference(self) -> float:
        return self.challenger - self.other

    def __str__(self) -> str:
        own, other = self.challenger, self.other
        word = "better than" if own > other else "worse than" if own < other else "as good as"
        between = (
            f"{self.confidence * 100:g}% interval {self.interval[0]:+.4f} to {self.interval[1]:+.4f}, "
            if self.interval
            else ""
        )
        return (
            f"{word} {self.against} (NDCG {own:.4f} and {other:.4f}, difference {self.difference:+.4f}, {between}"
            f"{self.users} users)"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "against": self.against,
            "difference": self.difference,
            "interval": list(self.interval) if self.interval else None,
            "users": self.users,
        }


@dataclass(frozen=True)
class Bar:
    """What a challenger has to reach: see settings.EvaluateSettings for the rules and the tolerance (NDCG)."""

    rule: Rule
    tolerance: float
    min_users: int

    def passed(self, found: Comparison) -> bool:
        """Return whether the challenger replaces the other by the rule."""
        low, high = found.interval or (found.difference, found.difference)
        value = {"estimate": found.difference, "unless_worse": high, "if_not_worse": low}[self.rule]
        return value >= -self.tolerance

    def note(self, found: Comparison) -> str:
        """Return what a reason ends with where the estimate alone, or without the tolerance, would have decided otherwise."""
        passed = self.passed(found)
        if passed != (found.difference >= -self.tolerance):
            return f"; evaluate.rule is {self.rule}"
        return f"; evaluate.tolerance is {self.tolerance:g}" if passed and found.difference < 0 else ""


@dataclass(frozen=True)
class Decision:
    """Who serves, and why, in a sentence for people."""

    model_version: str
    name: str
    reason: str


def best(baselines: Sequence[Candidate]) -> Candidate:
    """Return the baseline with the highest NDCG, of equal ones `popular`."""
    return max(baselines, key=lambda each: (each.ndcg or 0.0, each.name == FALLBACK, each.name))


def choose(
    challenger: Candidate | None,
    champion: Candidate | None,
    baselines: Sequence[Candidate],
    *,
    comparison: Comparison | None,
    bar: Bar,
    evidence: int,
) -> Decision:
    """Return who serves: the challenger if it is not worse than the champion, else the champion, else a baseline.

    Without a champion the challenger must be as good as the best baseline: `comparison` is with the one or the
    other. `evidence` is the number of holdout users measured; with fewer than `min_users` the champion stays, or
    without one `popular` serves. `baselines` hold at least `popular`.
    """
    if champion is not None:
        return _against_champion(challenger, champion, comparison, bar)
    if evidence < bar.min_users:
        popular = next(each for each in baselines if each.name == FALLBACK)
        return _serves(
            popular, f"not enough evidence: {evidence} of {bar.min_users} holdout users, and no champion"
        )
    first = best(baselines)
    if challenger is None or comparison is None:
        return _serves(first, f"the best baseline (NDCG {first.ndcg or 0.0:.4f}); there is no challenger")
    note = bar.note(comparison)
    if bar.passed(comparison):
        return _serves(challenger, f"the challenger is {comparison}; there is no champion yet{note}")
    return _serves(first, f"the challenger {challenger.name} is {comparison}, the best baseline{note}")


def _against_champion(
    challenger: Candidate | None, champion: Candidate, comparison: Comparison | None, bar: Bar
) -> Decision:
    if challenger is None or comparison is None:
        return _serves(champion, "the champion stays: there is no challenger to compare it with")
    if comparison.users < bar.min_users:
        return _serves(
            champion,
            f"the champion stays: not enough evidence, {comparison.users} of {bar.min_users} users on days that "
            "neither model has seen",
        )
    note = bar.note(comparison)
    if bar.passed(comparison):
        return _serves(challenger, f"the challenger is {comparison}, the champion so far{note}")
    return _serves(champion, f"the champion stays: the challenger {challenger.name} is {comparison}{note}")


def _serves(candidate: Candidate, reason: str) -> Decision:
    return Decision(candidate.model_version, candidate.name, reason)
