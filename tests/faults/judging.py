"""The judge of a world: its lake and how its attempts ended in, what must not be out."""

from collections.abc import Iterator, Sequence

from pipeline_tasks.errors import NightjarError
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log, verification, versions
from pipeline_tasks.publishing.log import Entry
from tests.faults.acts import RIVAL, Act
from tests.faults.lakes import Origin
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
    rival = any(entry.who == RIVAL for entry in history)
    yield from _endings(tried, rival=rival, harmless=harmless)
    yield from verification.faults_of_log(store)
    for name in {origin.version(2), history[-1].version}:
        yield from verification.look(store, name).faults
    yield from act.after(store, origin)
    added = [entry for entry in history[act.entries :] if entry.who != RIVAL]
    yield from _entries(act, added, tried, rival=rival)
    if history[-1].version not in map(origin.version, act.beside if rival else {act.live}):
        yield f"{history[-1].version} is live at the end, by {history[-1].action}"


def _endings(tried: Sequence[Tried], *, rival: bool, harmless: bool) -> Iterator[str]:
    """A death is followed by another attempt; an error needs a cause; the last attempt did it, or need not."""
    for each in tried:
        if each.ending == "wrong" or (each.ending == "failed" and harmless):
            yield f"an attempt ended {each.ending}: {each.said}"
        if each.ending == "refused" and not (rival and "went live meanwhile" in each.said):
            yield f"an attempt was refused: {each.said}"
    if tried[-1].ending in ("killed", "failed"):
        yield f"the last attempt {tried[-1].ending}: {tried[-1].said}"


def _entries(act: Act, added: Sequence[Entry], tried: Sequence[Tried], *, rival: bool) -> Iterator[str]:
    """What was acknowledged is in the log, and what was tried again is there once."""
    if any(entry.action != act.action for entry in added):
        yield f"entries of another kind than {act.action!r} were added: {added}"
    expected = int(bool(act.action))
    if not rival and len(added) != expected:
        yield f"{len(added)} entries were added, not {expected}"
    if any(each.ending == "done" for each in tried) and len(added) < expected:
        yield "it was acknowledged and is not in the log"
    if len(added) > (2 if act.repeats and rival else expected):
        yield f"{len(added)} entries were added beside the rival's"
