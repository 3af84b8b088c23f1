"""Dozens of worlds drawn by seed, and a death at each change of each act: nothing is lost, and readers see whole versions.

`benchmarks/faults.py` draws a thousand and more.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.killing import CHANGES
from tests.faults.worlds import World, world_of

LOCAL_SEEDS, S3_SEEDS = range(20), range(4)
# no act makes more changes to the lake than this
MOST_CHANGES = 40


def judged(outcomes: list[Any]) -> dict[World, list[str]]:
    found = [each.result() for each in outcomes]
    assert all(outcome.seen.reads for outcome in found)
    return {outcome.world: outcome.wrong for outcome in found if outcome.wrong}


def test_worlds_on_a_local_lake_lose_nothing(begin: Callable[..., Any]) -> None:
    assert judged([begin(world_of(seed, "local")) for seed in LOCAL_SEEDS]) == {}


def test_worlds_on_s3_lose_nothing(begin: Callable[..., Any], s3_lake: Any) -> None:
    endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
    assert judged([begin(world_of(seed, "s3"), endpoint) for seed in S3_SEEDS]) == {}


@pytest.mark.parametrize("act", ["check and publish", "release", "rollback", "retention"])
def test_a_death_at_any_change_of_an_act_loses_nothing(act: str, begin: Callable[..., Any]) -> None:
    """Before a change the lake is as it was after the one before it."""
    world = World(0, "local", act, steps=CHANGES)
    changes = begin(world).result().changes
    assert 0 < changes < MOST_CHANGES
    outcomes = [
        begin(replace(world, seed=number, death=death, share=(number + 0.5) / changes))
        for number in range(changes)
        for death in (("after",) if act == "retention" else ("halfway", "after"))
    ]
    assert judged(outcomes) == {}
    assert all("killed" in each.result().endings for each in outcomes)
