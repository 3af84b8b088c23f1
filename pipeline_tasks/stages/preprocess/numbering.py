"""The integers of a night: ids of its versions and events in; the vocabulary before, and after it what that lacks, out."""

import hashlib
from collections.abc import Mapping
from datetime import date

from pipeline_tasks.lake.tables import Commit
from pipeline_tasks.spark.vocabulary import extend_vocabulary
from pipeline_tasks.stages.preprocess.events import CleanedEvents, read_nights
from pipeline_tasks.stages.preprocess.versions import CleanedVersions
from pipeline_tasks.stages.preprocess.work import Work

# of a vocabulary's facts: a digest of the earlier nights' events all of whose ids it has
COVERS = "covers"


def write_vocabulary(
    work: Work, table: str, name: str, versions: CleanedVersions, events: CleanedEvents
) -> None:
    """Commit the night's vocabulary of `table`, whose ids are called `name`.

    Earlier nights' events are looked through only where the vocabulary before was made without them: those of its own
    night, and all once one of them was run again.
    """
    place = f"vocabulary/{table}"
    before, known = work.before(place), work.read_before(place)
    ids = versions.clean().select(name).union(events.ids(name))
    nights = uncovered(events.earlier, before.facts.get(COVERS) if before else None)
    if nights:
        ids = ids.union(read_nights(work, nights).select(name))
    index = f"{table.removesuffix('s')}_index"
    extended = extend_vocabulary(known, ids, name, index, before.rows + 1 if before else 1)
    work.write(place, extended, [index], facts={COVERS: covers(events.earlier)})


def covers(earlier: Mapping[date, Commit]) -> str:
    """Return a digest of the events of some nights."""
    return _digests(earlier)[-1]


def uncovered(earlier: Mapping[date, Commit], covered: str | None) -> list[date]:
    """Return the nights whose events a vocabulary may lack; the digest of the first ones, which it has, is `covered`."""
    digests = _digests(earlier)
    return list(earlier)[digests.index(covered) if covered in digests else 0 :]


def _digests(earlier: Mapping[date, Commit]) -> list[str]:
    """Return a digest of the first n nights' events for each n from 0 on."""
    running = hashlib.sha256()
    found = [running.hexdigest()]
    for commit in earlier.values():
        running.update(commit.digest.encode())
        found.append(running.hexdigest())
    return found
