"""A world by its seed: an act, how it dies, what the store does meanwhile, who else is at it; what must not be out."""

import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, cast

from botocore.retries.standard import ExponentialBackoff

from pipeline_tasks.lake.store import Store
from tests.faults.acts import ACTS, RIVAL
from tests.faults.judging import judged, whole
from tests.faults.killing import CHANGES, STEPS, Death, When
from tests.faults.lakes import Origin, lake_of
from tests.faults.polling import Seen
from tests.faults.processes import Attempt, Harm, Tried, polled, proxies
from tests.faults.proxy import FAULTS, drawn, no_fault
from tests.faults.s3_server import CREDENTIALS

Kind = Literal["local", "s3"]

DEATHS = ("never", "before", "halfway", "after", "instant")
HARMLESS = ("none", "clock jumps")
FAULTS_OF = {"local": (*HARMLESS, "disk full"), "s3": (*HARMLESS, *FAULTS, "any")}
ROLES = ("actor", "reader", "rival")
# attempts under the fault; then one without it must do
ATTEMPTS = 3
EXPIRES = "NIGHTJAR_LEASE__EXPIRES_SECONDS"
BACKOFF = ExponentialBackoff.delay_amount


@dataclass(frozen=True)
class World:
    """What happens: `share` says where in the act it dies, `full` where the disk fills, `rate` how often S3 fails.

    With a rival, another night is published at the same time by a process that nothing befalls.
    """

    seed: int
    kind: Kind
    act: str
    death: str = "never"
    fault: str = "none"
    share: float = 0.0
    full: float = 0.0
    rate: float = 0.2
    rival: bool = False
    steps: tuple[str, ...] = STEPS


@dataclass
class Outcome:
    """What came of a world: what must not be (empty is good), readers' reads and errors, and how attempts ended.

    `faults` counts the store's, `changes` those that the act makes to the lake where nothing befalls it.
    """

    world: World
    wrong: list[str] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    endings: list[str] = field(default_factory=list)
    faults: int = 0
    changes: int = 0


def world_of(seed: int, kind: Kind) -> World:
    """Draw a world."""
    chance = random.Random(f"{kind} {seed}")
    return World(
        seed=seed,
        kind=kind,
        act=chance.choice(list(ACTS)),
        death=chance.choice(DEATHS),
        fault=chance.choice(FAULTS_OF[kind]),
        share=chance.random(),
        full=chance.random(),
        rate=chance.uniform(0.05, 0.4),
        rival=chance.random() < 0.25,
    )


def run(world: World, origin: Origin, endpoint: str = "") -> Outcome:
    """Let the world happen, and judge it. Call it in a process without threads."""
    ExponentialBackoff.delay_amount = lambda self, context: BACKOFF(self, context) / 20
    if endpoint:
        use(endpoint)
    outcome = Outcome(world)
    usual = rehearsal(world, origin, endpoint)
    harm, outcome.changes = _harm(world, usual), _changes(usual)
    os.environ[EXPIRES] = "3" if world.rival else "0.8"
    with ExitStack() as stack:
        store = stack.enter_context(_lake(world, origin))
        at, met = stack.enter_context(_between(world, endpoint))
        outcome.seen = stack.enter_context(polled(store.uri, at["reader"]))
        tried = list(_attempts(world, origin, store, harm, at, outcome.wrong))
        outcome.wrong += judged(ACTS[world.act], origin, store, tried, harmless=_is_harmless(world))
    outcome.endings = [each.ending for each in tried]
    outcome.faults = met.total()
    outcome.wrong += outcome.seen.wrong
    if outcome.seen.said and not met:
        outcome.wrong.append(f"{outcome.seen.said} reads failed, and the store did not")
    return outcome


def use(endpoint: str) -> None:
    """Let boto3 in this process and its children find the S3 server there."""
    os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL_S3=endpoint)


def rehearsal(
    world: World,
    origin: Origin,
    endpoint: str,
    known: dict[tuple[str, str], Tried] = {},  # noqa: B006 - kept
) -> Tried:
    """Return how the act goes where nothing befalls it: its steps and its seconds."""
    key = (world.act, world.kind)
    if key not in known:
        os.environ[EXPIRES] = "60"  # no sign of life is among its steps
        with _lake(world, origin) as store:
            act = ACTS[world.act]
            known[key] = Attempt(partial(act.do, store.uri, origin), endpoint, Harm(), act.who).end()
        assert known[key].ending == "done", known[key]
    return known[key]


def _harm(world: World, usual: Tried) -> Harm:
    steps = sum(usual.steps[each] for each in world.steps)
    at_step = world.death in ("before", "halfway", "after")
    slower = 1.2 if _is_harmless(world) else 4.0
    return Harm(
        Death(cast(When, world.death), 1 + int(world.share * steps), world.steps) if at_step else Death(),
        after_seconds=world.share * usual.seconds * slower if world.death == "instant" else None,
        full_from=1 + int(world.full * _changes(usual)) if world.fault == "disk full" else 0,
        clock=f"{world.seed}" if world.fault == "clock jumps" else "",
    )


def _changes(tried: Tried) -> int:
    return sum(tried.steps[each] for each in CHANGES)


def _is_harmless(world: World) -> bool:
    return world.fault in HARMLESS


@contextmanager
def _lake(world: World, origin: Origin) -> Iterator[Store]:
    with (
        tempfile.TemporaryDirectory(prefix="nightjar-faults-") as folder,
        lake_of(ACTS[world.act].objects(origin), world.kind, Path(folder, "lake")) as store,
    ):
        os.environ["NIGHTJAR_STATE"] = str(Path(folder, "state"))
        yield store


@contextmanager
def _between(world: World, endpoint: str) -> Iterator[tuple[dict[str, str], Counter[str]]]:
    """Give the endpoint of each role, and what the proxies did, once they have ended."""
    if world.kind == "local":
        yield dict.fromkeys(ROLES, ""), Counter()
        return
    faulty = () if _is_harmless(world) else ("actor", "reader")
    draws = {
        role: drawn(f"{world.seed} {role}", world.fault, world.rate) if role in faulty else no_fault
        for role in ROLES
    }
    with proxies(endpoint, draws) as between:
        yield between


def _attempts(
    world: World, origin: Origin, store: Store, harm: Harm, at: dict[str, str], wrong: list[str]
) -> Iterator[Tried]:
    """Try until it is done; the first attempt is the one that is harmed, and the rival runs beside it."""
    act = ACTS[world.act]
    do = partial(act.do, store.uri, origin)
    rival = (
        Attempt(partial(act.rival, store.uri, origin), at["rival"], Harm(), RIVAL) if world.rival else None
    )
    for number in range(1, ATTEMPTS + 2):
        endpoint = at["actor" if number <= ATTEMPTS else "rival"]
        tried = Attempt(do, endpoint, harm if number == 1 else Harm(), act.who).end()
        if number == 1 and rival:
            ended = rival.end()
            wrong += [] if ended.ending == "done" else [f"the rival ended {ended.ending}: {ended.said}"]
        wrong += whole(store)
        yield tried
        if tried.ending in ("done", "nothing", "refused"):
            return
