"""The judge of a world: its lake and how its attempts ended in, what must not be out."""

from collections.abc import Iterator, Sequence

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log, verification, versions
from pipeline_tasks.publishing.log import Entry
from tests.faults.acts import Act
from tests.faults.lakes import NIGHTS, Origin
from tests.faults.processes import Tried


def whole(store: Store) -> Iterator[str]:
    """Yield what is wrong at any moment, also just after a death: what is live must be whole."""
    live = log.newest(store)
    if live is None:
        yield "nothing is live any more"
        return
    try:
        versions.verify(store, live.version, live.manifest_sha256)
    except NightjarError as error:
        yield f"what is live is not whole: {error}"


def judged(
    act: Act, origin: Origin, store: Store, tried: Sequence[Tried], *, harmless: bool
) -> Iterator[str]:
    """Yield what is wrong at the end: with the attempts, the log, the versions, and what is live."""
    history = log.history(store)
    rival = any(entry.version == origin.version(3) for entry in history)
    yield from _endings(tried, rival=rival, harmless=harmless)
    yield from verification.faults_of_log(store)
    for name in {origin.version(2), history[-1].version}:
        yield from verification.faults_of_version(store, name)
    if versions.require_passed(store, NIGHTS[2]).version != origin.version(2):
        yield "the verdict of night 2 is on another version"
    yield from _entries(act, origin, history, tried)
    yield from _live(act, origin, history[-1], rival=rival)


def _endings(tried: Sequence[Tried], *, rival: bool, harmless: bool) -> Iterator[str]:
    """A death is followed by another attempt; an error needs a cause; the last attempt did it, or need not."""
    for each in tried:
        if each.ending == "wrong" or (each.ending == "failed" and harmless):
            yield f"an attempt ended {each.ending}: {each.said}"
        if each.ending == "refused" and not (rival and "went live meanwhile" in each.said):
            yield f"an attempt was refused: {each.said}"
    if tried[-1].ending in ("killed", "failed"):
        yield f"the last attempt {tried[-1].ending}: {tried[-1].said}"


def _entries(act: Act, origin: Origin, history: list[Entry], tried: Sequence[Tried]) -> Iterator[str]:
    """What was acknowledged is there, and what was tried again is there once."""
    added = [entry for entry in history[2:] if entry.version != origin.version(3)]
    rival = len(added) < len(history) - 2
    if [entry.action for entry in added] != [act.action] * len(added):
        yield f"entries of another kind than {act.action!r} were added: {added}"
    done = bool(act.action) and any(each.ending == "done" for each in tried)
    if done and not added:
        yield "it was acknowledged and is not in the log"
    if not rival and len(added) != bool(act.action):
        yield f"{len(added)} entries were added"
    # who names the version to go back to, and is overtaken, may say so again
    if rival and len(added) > (2 if act.repeats else bool(act.action)):
        yield f"{len(added)} entries were added beside the rival's"


def _live(act: Act, origin: Origin, live: Entry, *, rival: bool) -> Iterator[str]:
    allowed = {act.live} if not rival else {3, 0, 1} if act.action == "rollback" else {3}
    if live.version not in {origin.version(night) for night in allowed}:
        yield f"{live.version} is live at the end, by {live.action}"
