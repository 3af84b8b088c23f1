"""A night's raw tables: the lake and a run date in; the frames that validate and preprocess judge alike out."""

from dataclasses import dataclass
from datetime import date
from functools import reduce

from pyspark.sql import DataFrame

from pipeline_tasks.contracts import SOURCE_TABLES
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.store import Store
from pipeline_tasks.spark.arrivals import REJECTED
from pipeline_tasks.spark.schemas import schema
from pipeline_tasks.spark.staging import Staging

VOCABULARY = "vocabulary/items"


@dataclass(frozen=True)
class RawNight:
    """What a night has to judge.

    `frames` has interactions (every arrival since the night `after`, None on the first night), items and
    users (as of the night), typed. `known_items` (item_id) is every item that the catalogue names, also in
    rows that are bad otherwise, and those that the night before knew; None where the items are derived from
    the interactions. `rejected` counts the rows that could not be typed, `inputs` maps each partition to its
    digest.
    """

    after: date | None
    dates: tuple[date, ...]
    frames: dict[str, DataFrame]
    known_items: DataFrame | None
    rejected: dict[str, int]
    inputs: dict[str, str]


def partitions(store: Store, run_date: date) -> dict[str, list[str]]:
    """Return the partitions of the night's raw interactions, items and users.

    Interactions: those that arrived after the newest clean night before `run_date`. Raises Refused where the
    night is not ingested.
    """
    after = tables.newest_before(store, "clean/interactions", run_date)
    found = [day for day in tables.committed(store, "raw/interactions") if day <= run_date]
    if run_date not in found:
        raise Refused(f"{store.uri} holds no arrivals of {run_date}", "run ingest for this night first")
    days = [day for day in found if after is None or day > after]
    return {
        "interactions": [layout.raw("interactions", day) for day in days],
        "items": [layout.raw("items", run_date)],
        "users": [layout.raw("users", run_date)],
    }


def read_raw_night(staging: Staging, run_date: date) -> RawNight:
    """Return the night's raw tables; raises Refused where ingest has not made them."""
    places = partitions(staging.store, run_date)
    commits = {
        place: tables.require_commit(staging.store, place, "ingest")
        for of_table in places.values()
        for place in (*of_table, *map(_rejected, of_table))
    }
    derived = commits[places["items"][0]].facts["derived"]
    vocabulary = [] if derived else _vocabulary_before(staging.store, run_date)
    for place in vocabulary:
        commits[place] = tables.require_commit(staging.store, place, "preprocess")
    return RawNight(
        after=tables.newest_before(staging.store, "clean/interactions", run_date),
        dates=tuple(layout.partition_date(place.rpartition("/")[2]) for place in places["interactions"]),
        frames={
            name: staging.read(*of_table, stage="ingest", schema=schema(SOURCE_TABLES[name]))
            for name, of_table in places.items()
        },
        known_items=None if derived else _known_items(staging, places["items"][0], vocabulary),
        rejected={
            name: sum(commits[_rejected(place)].rows for place in of_table)
            for name, of_table in places.items()
        },
        inputs={place: commit.digest for place, commit in commits.items()},
    )


def _vocabulary_before(store: Store, run_date: date) -> list[str]:
    """Return where the items of the newest night before lie, in a list; nothing on the first night."""
    before = tables.newest_before(store, VOCABULARY, run_date)
    return [layout.night(VOCABULARY, before)] if before else []


def _known_items(staging: Staging, place: str, vocabulary: list[str]) -> DataFrame:
    """Return the items of the night's catalogue and of the vocabulary before it.

    A source may hold an item's newest version alone, and that may be newer than the night.
    """
    named = staging.read(place, stage="ingest").select("item_id")
    rejected = staging.read(_rejected(place), stage="ingest", schema=REJECTED).select("id")
    before = [staging.read(each, stage="preprocess").select("item_id") for each in vocabulary]
    return reduce(DataFrame.union, [rejected, *before], named).dropna().distinct()


def _rejected(place: str) -> str:
    """Return where the rejected rows of a raw partition lie."""
    table, _, day = place.rpartition("/")
    return f"{table}_rejected/{day}"
