"""Who serves tonight: what was measured of challenger, champion and baselines in, one of them with a reason out."""

from collections.abc import Sequence
from dataclasses import dataclass

FALLBACK = "popular"


@dataclass(frozen=True)
class Candidate:
    """A model that may serve, and its NDCG on the holdout (None: not measured)."""

    model_version: str
    name: str
    ndcg: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Challenger and champion on the same users, on days after the cuts of both."""

    challenger: float
    champion: float
    users: int


@dataclass(frozen=True)
class Decision:
    """Who serves, and why, in a sentence for people."""

    model_version: str
    name: str
    reason: str


def choose(
    challenger: Candidate | None,
    champion: Candidate | None,
    baselines: Sequence[Candidate],
    *,
    comparison: Comparison | None,
    tolerance: float,
    min_users: int,
    evidence: int,
) -> Decision:
    """Return who serves: the challenger if it is not worse than the champion, else the champion, else a baseline.

    Without a champion the challenger must be as good as the best baseline. `evidence` is the number of
    holdout users measured; with fewer than `min_users` the champion stays, or without one `popular` serves.
    `baselines` hold at least `popular`.
    """
    if champion is not None:
        return _against_champion(challenger, champion, comparison, tolerance, min_users)
    if evidence < min_users:
        popular = next(each for each in baselines if each.name == FALLBACK)
        return _serves(
            popular, f"not enough evidence: {evidence} of {min_users} holdout users, and no champion"
        )
    best = max(baselines, key=lambda each: (_value(each), each.name == FALLBACK, each.name))
    if challenger is None:
        return _serves(best, f"the best baseline (NDCG {_value(best):.4f}); there is no challenger")
    difference = _difference(_value(challenger), best.name, _value(best), evidence)
    if _value(challenger) >= _value(best) - tolerance:
        return _serves(challenger, f"the challenger is {difference}; there is no champion yet")
    return _serves(best, f"the challenger {challenger.name} is {difference}, the best baseline")


def _against_champion(
    challenger: Candidate | None,
    champion: Candidate,
    comparison: Comparison | None,
    tolerance: float,
    min_users: int,
) -> Decision:
    if challenger is None or comparison is None:
        return _serves(champion, "the champion stays: there is no challenger to compare it with")
    if comparison.users < min_users:
        return _serves(
            champion,
            f"the champion stays: not enough evidence, {comparison.users} of {min_users} users on days that "
            "neither model has seen",
        )
    difference = _difference(comparison.challenger, champion.name, comparison.champion, comparison.users)
    if comparison.challenger >= comparison.champion - tolerance:
        return _serves(challenger, f"the challenger is {difference}, the champion so far")
    return _serves(champion, f"the champion stays: the challenger {challenger.name} is {difference}")


def _difference(own: float, other_name: str, other: float, users: int) -> str:
    word = "better than" if own > other else "worse than" if own < other else "as good as"
    return f"{word} {other_name} (NDCG {own:.4f} and {other:.4f}, {users} users)"


def _value(candidate: Candidate) -> float:
    return candidate.ndcg if candidate.ndcg is not None else 0.0


def _serves(candidate: Candidate, reason: str) -> Decision:
    return Decision(candidate.model_version, candidate.name, reason)
