"""What is done in a world: each act changes a lake as a stage or a person does, and says what must be live after it."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline_tasks import settings
from pipeline_tasks.lake.store import open_store
from pipeline_tasks.publishing import changes, versions
from pipeline_tasks.stages import publish
from tests.faults.lakes import NIGHTS, Origin

PERSON, RUN = "a person", "airflow rollback_recommendations manual__1"


@dataclass(frozen=True)
class Act:
    """`do(uri, origin)` is tried again until it is done; `objects` are the lake's before it.

    After it the version of night `live` is live, by an entry of `action` ("" adds none); where it `repeats`, who is
    overtaken and says it again makes another one.
    """

    do: Callable[[str, Origin], object]
    objects: Callable[[Origin], dict[str, bytes]]
    live: int
    action: str = ""
    repeats: bool = False


def check(uri: str, origin: Origin) -> None:
    """Do to the lake what the check's stage does: the files, the manifest, the verdict."""
    store = open_store(uri)
    versions.upload(store, origin.manifest, origin.files)
    versions.write_verdict(store, NIGHTS[2], origin.verdicts[NIGHTS[2]])


def publish_night(uri: str, night: int) -> object:
    return publish.run(settings.load(lake=uri), NIGHTS[night])


def check_and_publish(uri: str, origin: Origin) -> None:
    check(uri, origin)
    publish_night(uri, 2)


def release(uri: str, origin: Origin) -> object:
    store = open_store(uri)
    return changes.release(
        store, NIGHTS[2], versions.require_passed(store, NIGHTS[2]), PERSON, "looked at it"
    )


def roll_back(uri: str, origin: Origin) -> object:
    """As a task of Airflow, which is tried again whatever it died of, and must go back once."""
    return changes.roll_back(open_store(uri), None, RUN, "bad lists")


def roll_back_to(uri: str, origin: Origin) -> object:
    return changes.roll_back(open_store(uri), origin.version(0), PERSON, "bad lists")


ACTS = {
    "check": Act(check, Origin.unchecked, live=1),
    "publish": Act(lambda uri, origin: publish_night(uri, 2), Origin.checked, 2, "publish"),
    "check and publish": Act(check_and_publish, Origin.unchecked, 2, "publish"),
    "release": Act(release, Origin.held, 2, "release"),
    "rollback": Act(roll_back, Origin.checked, 0, "rollback"),
    "rollback --to": Act(roll_back_to, Origin.checked, 0, "rollback", repeats=True),
}
