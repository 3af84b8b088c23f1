"""What is done in a world: each act changes a lake as a stage or a person does, and says what must be live after it."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO

from pipeline_tasks import releasing, settings
from pipeline_tasks.commands import rollback
from pipeline_tasks.lake.lease import hold
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.publishing import catalogue, log, verdicts, verification, versions
from pipeline_tasks.retention.applying import apply
from pipeline_tasks.settings.retention import NIGHTS as NIGHTS_KEPT
from pipeline_tasks.stages import publish
from tests.faults.lakes import NIGHTS, Origin
from tests.test_online import rows_online  # and with it what a release imports late is there before a fork

RIVAL = "airflow rival 1"
# one night of each layer of the lake
KEEP_ONE = dict.fromkeys(NIGHTS_KEPT, 1)


def night_2_is_checked(store: Store, origin: Origin) -> Iterator[str]:
    """Yield what is wrong with what the check leaves."""
    if verdicts.require_passed(store, NIGHTS[2]).version != origin.version(2):
        yield "the verdict of night 2 is on another version"


def night_2_is_online_once_it_is_live(store: Store, origin: Origin) -> Iterator[str]:
    """Yield what is wrong with what a release leaves: its lists are in the online store before its entry is in the log."""
    yield from night_2_is_checked(store, origin)
    live = log.newest(store)
    if live and live.version == origin.version(2) and not rows_online(settings.load(lake=store.uri)):
        yield "night 2 is live, and its lists are not online"


def nights_0_and_1_have_gone(store: Store, origin: Origin) -> Iterator[str]:
    """Yield what retention has left, and what it must not have taken: where night 2 is live, 1 is before it."""
    live = log.newest(store)
    gone = NIGHTS[:1] if live and live.version == origin.version(2) else NIGHTS[:2]
    for night in gone:
        yield from (f"there still is {key}" for key in store.keys(f"{catalogue.FOLDER}{night}"))
    for name in store.folders(catalogue.FOLDER):
        yield from verification.look(store, name).faults


@dataclass(frozen=True)
class Act:
    """`do(uri, origin)` is tried again until it is done; `objects` are the lake's before it, with `entries` of the log.

    After it the version of night `live` is live, by an entry of `action` ("" adds none); where it `repeats`, who is
    overtaken and says it again makes another one. `who` is the Airflow run that does it, if one does. A `rival` does
    something else at the same time, and then the version of one of the nights `beside` is live. `after` looks at what
    else must be so.
    """

    do: Callable[[str, Origin], object]
    objects: Callable[[Origin], dict[str, bytes]]
    live: int
    action: str = ""
    repeats: bool = False
    who: str = ""
    entries: int = 2
    rival: Callable[[str, Origin], object] = field(default=lambda uri, origin: publish_night(uri, 3))
    beside: frozenset[int] = frozenset({3})
    after: Callable[[Store, Origin], Iterator[str]] = night_2_is_checked


def check(uri: str, origin: Origin) -> None:
    """Do to the lake what the check does as a stage: the files, the manifest, the verdict."""
    store = open_store(uri)
    with hold(store, "nights", settings.load(lake=uri).lease, "check") as lease:
        versions.upload(store, origin.manifest, origin.files)
        lease.require()
        verdicts.write(store, NIGHTS[2], origin.verdicts[NIGHTS[2]])


def publish_night(uri: str, night: int) -> object:
    return publish.run(settings.load(lake=uri), NIGHTS[night])


def check_and_publish(uri: str, origin: Origin) -> None:
    check(uri, origin)
    publish_night(uri, 2)


def release(uri: str, origin: Origin) -> object:
    wanted = settings.load(lake=uri, data=str(origin.data), publish={"online": True})
    return releasing.release(wanted, origin.version(2), "looked at it")


def roll_back(uri: str, to: str | None = None) -> object:
    with redirect_stdout(StringIO()):
        return rollback.run(settings.load(lake=uri), Namespace(to=to, why="bad lists"))


def retain(uri: str, origin: Origin) -> object:
    return apply(open_store(uri), settings.load(lake=uri, retention={"nights": KEEP_ONE}))


ACTS = {
    "check": Act(check, Origin.unchecked, live=1),
    "publish": Act(lambda uri, origin: publish_night(uri, 2), Origin.checked, 2, "publish"),
    "check and publish": Act(check_and_publish, Origin.unchecked, 2, "publish"),
    "release": Act(release, Origin.held, 2, "release", after=night_2_is_online_once_it_is_live),
    # a task of Airflow is tried again whatever it died of, and must go back once
    "rollback": Act(
        lambda uri, origin: roll_back(uri),
        Origin.checked,
        live=0,
        action="rollback",
        who="airflow rollback_recommendations manual__1",
        beside=frozenset({0, 1, 3}),
    ),
    "rollback --to": Act(
        lambda uri, origin: roll_back(uri, origin.version(0)),
        Origin.checked,
        live=0,
        action="rollback",
        repeats=True,
        beside=frozenset({0, 3}),
    ),
    "retention": Act(
        retain,
        Origin.old,
        live=3,
        entries=4,
        rival=lambda uri, origin: roll_back(uri),
        beside=frozenset({2}),
        after=nights_0_and_1_have_gone,
    ),
}
