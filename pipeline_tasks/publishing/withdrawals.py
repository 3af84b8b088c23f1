"""Versions that somebody went back from: entries of the log in, oldest first; each with the rollback that ended it out."""

from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import log
from pipeline_tasks.publishing.log import Entry


def gone_back_from(history: list[Entry]) -> dict[str, Entry]:
    """Return the versions that somebody went back from, each with the rollback; `history` has the oldest entry first.

    Versions are in the order in which they were last published or released, and a rollback goes back from all later ones
    than its own. Where that is one which somebody had gone back from, it takes that rollback back, as far as there.
    """
    places: dict[str, int] = {}
    gone: dict[str, Entry] = {}
    before = None
    for entry in history:
        undone = gone.pop(entry.version, None)
        if entry.action != "rollback":
            places[entry.version] = entry.sequence
        elif before:
            # whose own entry is lost came just before what it replaced
            own = places.get(entry.version, places.get(before.version, 1) - 1)
            for version, place in places.items():
                if place > own:
                    gone.setdefault(version, entry)
                elif undone is not None and gone.get(version) == undone:
                    del gone[version]
        before = entry
    return gone


def withdrawn(store: Store, version: str) -> Entry | None:
    """Return the rollback that ended the version's last time as the live one, or None."""
    return gone_back_from(log.history(store)).get(version)
