"""The users of a sample shop: a plan comes in, arrays with one entry a user come out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks.sample import vocabulary as words
from pipeline_tasks.sample.plan import DAY_SECONDS, HISTORY_DAYS, Plan

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

CLUSTERS = 8
NEW_SHARE = 0.15  # users who join within the days
SILENT_SHARE = 0.03  # users who never do anything
UPGRADED_SHARE = 0.04
SESSIONS_PER_DAY = 0.27  # of the median user

GENDERS = ("female", "male", "diverse")
COUNTRIES = ("DE", "FR", "PL", "ES", "IT", "NL", "CN", "SE")
MEMBERSHIPS = ("basic", "silver", "gold")

ODD_IDS = ("u/000007", "o'brien", 'the "boss"', "🛒-fan", "用户八", "../u-000019", "Doe, Jane")


@dataclass(frozen=True)
class People:
    """One entry a user.

    `cluster` and `second_cluster` are tastes; `sessions` the expected number a day; `price_level` the
    part of a category's price range (0 cheapest, 1 dearest) that the user likes, `price_sensitivity` how
    much that matters; `upgraded` when the membership rose by one level, or 0.
    """

    ids: list[str]
    cluster: Ints
    second_cluster: Ints
    sessions: Floats
    price_level: Floats
    price_sensitivity: Floats
    buying: Floats
    joined: Ints
    joined_day: Ints
    age: Ints
    gender: Ints
    country: Ints
    membership: Ints
    upgraded: Ints

    def __len__(self) -> int:
        return len(self.ids)


def make_people(plan: Plan) -> People:
    """Draw everybody who has joined by the last day of `plan`."""
    rng, n = plan.rng(2), plan.users
    cluster = rng.integers(0, CLUSTERS, n)
    joined = _joining(plan, rng)
    membership = rng.choice(3, n, p=[0.7, 0.22, 0.08])
    age = np.clip(np.round(rng.normal(26 + 4 * cluster, 9)), 16, 92).astype(np.int64)
    return People(
        ids=_user_ids(n),
        cluster=cluster,
        second_cluster=rng.integers(0, CLUSTERS, n),
        sessions=_activity(n, rng),
        price_level=np.clip(rng.normal(0.35 + 0.12 * membership, 0.2), 0, 1),
        price_sensitivity=rng.lognormal(0.6, 0.6, n),
        buying=rng.lognormal(0.0, 0.5, n),
        joined=joined,
        joined_day=(joined - plan.start) // DAY_SECONDS,
        age=age,
        gender=np.where(rng.random(n) < 0.02, 2, (rng.random(n) < 0.25 + 0.07 * cluster).astype(np.int64)),
        country=(rng.geometric(0.45, n) - 1 + cluster // 3) % len(COUNTRIES),
        membership=membership,
        upgraded=_upgrades(plan, joined, membership, rng),
    )


def taste_weights(plan: Plan) -> Floats:
    """Return how much each taste cluster likes each category, (clusters, categories), rows summing to one."""
    rng = plan.rng(3)
    likes = np.full((CLUSTERS, words.MISSION_COUNT), 0.06)
    for cluster in range(CLUSTERS):
        loved = (cluster * words.MISSION_COUNT // CLUSTERS + np.array([0, 1, 4])) % words.MISSION_COUNT
        likes[cluster, loved] += [3.0, 2.2, 1.4]
    mission = np.array([entry.mission for entry in words.CATEGORIES])
    weights = likes[:, mission] * rng.lognormal(0.0, 0.5, (CLUSTERS, len(mission)))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _user_ids(n: int) -> list[str]:
    width = max(6, len(str(n)))
    ids = [f"u-{number:0{width}d}" for number in range(1, n + 1)]
    if n >= 10 * len(ODD_IDS):
        for number, odd in enumerate(ODD_IDS):
            ids[6 + 9 * number] = odd
    return ids


def _activity(n: int, rng: np.random.Generator) -> Floats:
    sessions = np.minimum(SESSIONS_PER_DAY * rng.lognormal(0.0, 0.9, n), 2.0)
    if n > 20:
        sessions[rng.random(n) < SILENT_SHARE] = 0.0
    return sessions


def _joining(plan: Plan, rng: np.random.Generator) -> Ints:
    """Draw when each user joined; a share of them is spread evenly over the days, for every day to have some."""
    n = plan.users
    new = min(n // 2, max(plan.days, round(NEW_SHARE * n)))
    joined = plan.start - rng.integers(1, HISTORY_DAYS * DAY_SECONDS, n)
    days = np.arange(new) % plan.days
    seconds = np.clip(rng.normal(15 * 3_600, 4 * 3_600, new), 0, DAY_SECONDS - 7_200).astype(np.int64)
    joined[rng.permutation(n)[:new]] = plan.start + days * DAY_SECONDS + seconds
    return joined


def _upgrades(plan: Plan, joined: Ints, membership: Ints, rng: np.random.Generator) -> Ints:
    begin = np.maximum(joined + 3_600, plan.start)
    moment = begin + (rng.random(len(joined)) * (plan.stop - begin)).astype(np.int64)
    chosen = (rng.random(len(joined)) < UPGRADED_SHARE) & (membership < 2) & (begin < plan.stop)
    return np.where(chosen, moment, 0)
