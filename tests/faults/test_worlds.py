"""Dozens of worlds drawn by seed, and a death at each change of each act: nothing is lost, and readers see whole versions.

`benchmarks/faults.py` draws a thousand and more.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.acts import ACTS
from tests.faults.killing import CHANGES
from tests.faults.proxy import FAULTS
from tests.faults.worlds import DEATHS, FAULTS_OF, Kind, World, world_of

LOCAL_SEEDS = range(20)
# as few as draw every act, every death and every fault of the store
S3_SEEDS = (7, 8, 16, 28, 39, 50, 55, 61, 69, 71, 78)
# no act makes more changes to the lake than this
MOST_CHANGES = 40


def judged(outcomes: list[Any]) -> dict[World, list[str]]:
    found = [each.result() for each in outcomes]
    assert all(outcome.seen.reads for outcome in found)
    return {outcome.world: outcome.wrong for outcome in found if outcome.wrong}


@pytest.mark.parametrize(
    ("kind", "seeds", "faults"), [("local", LOCAL_SEEDS, FAULTS_OF["local"]), ("s3", S3_SEEDS, FAULTS)]
)
def test_the_worlds_that_are_drawn_have_every_act_death_and_fault(
    kind: Kind, seeds: Sequence[int], faults: Sequence[str]
) -> None:
    drawn = [world_of(seed, kind) for seed in seeds]
    assert {world.act for world in drawn} == set(ACTS)
    assert {world.death for world in drawn} == set(DEATHS)
    assert {world.fault for world in drawn} == set(faults)


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
