"""Make feature snapshots: clean/ in; one snapshot a day of users, items and context out.

The night's own snapshot is always made; those of the days before it where no earlier night has made them.
All of them come out of one pass over the events, and each knows only what was before its stamp.
"""

from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.contracts import CONTEXT_FEATURES, FEATURE_VIEWS, ITEM_FEATURES, USER_FEATURES
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store
from pipeline_tasks.lake.tables import Commit
from pipeline_tasks.settings import Settings, Source, night_end
from pipeline_tasks.sources import choose
from pipeline_tasks.spark.context_features import make_context_features
from pipeline_tasks.spark.item_features import make_item_features
from pipeline_tasks.spark.snapshots import STAMP, newest_versions
from pipeline_tasks.spark.staging import Staging, open_staging
from pipeline_tasks.spark.topics import add_slots
from pipeline_tasks.spark.user_features import make_user_features
from pipeline_tasks.stages.features.embedded import Embedded
from pipeline_tasks.stages.features.embeddings import embed_items, keyed, open_encoders
from pipeline_tasks.stages.features.events import read_events

KEPT = StorageLevel.MEMORY_AND_DISK
FILE = "part.parquet"
DAY = "snapshot_day"


def run(settings: Settings, run_date: date) -> Report:
    """Write the missing snapshots.

    Raises Refused where preprocess has not run for the night, or an encoder cannot be used.
    """
    source = choose(settings).source
    encoders = open_encoders(settings.features)
    with open_staging(settings, "features") as staging:
        days = missing_days(staging.store, run_date, settings.features.snapshots)
        read = Read(staging, run_date, source)
        embedded = embed_items(staging, run_date, settings, source, encoders, read.versions)
        stamps = [night_end(day) for day in days]
        versions = keyed(read.versions, encoders)
        made = make_snapshots(read, versions, embedded, stamps, settings.features.affinity_dim)
        commits = {name: _write(staging, name, snapshots, days, run_date) for name, snapshots in made.items()}
    return _report(read, days, embedded, commits)


class Read:
    """What the night's snapshots are made of, and the digests of the partitions that it lies in."""

    def __init__(self, staging: Staging, run_date: date, source: Source) -> None:
        self.inputs: dict[str, str] = {}
        self.events = read_events(staging, run_date, source.events, self.inputs).persist(KEPT)
        self.versions = self._read(staging, layout.night("clean/items", run_date))
        self.users = self._read(staging, layout.night("clean/users", run_date))

    def _read(self, staging: Staging, place: str) -> DataFrame:
        self.inputs[place] = tables.require_commit(staging.store, place, "preprocess").digest
        return staging.read(place, stage="preprocess")


def make_snapshots(
    read: Read, versions: DataFrame, embedded: list[Embedded], stamps: list[datetime], width: int
) -> dict[str, DataFrame | list[pa.Table]]:
    """Return each view's rows of all stamps; the context's, which are few, as a table a stamp.

    `versions` are the items' with the embeddings' keys.
    """
    items = newest_versions(add_slots(versions, width), "item_id", stamps).persist(KEPT)
    vectors = [each.vectors for each in embedded]
    return {
        CONTEXT_FEATURES.name: make_context_features(read.events, stamps),
        ITEM_FEATURES.name: make_item_features(read.events, read.versions, items, vectors, stamps, width),
        USER_FEATURES.name: make_user_features(read.events, read.users, items, stamps, width),
    }


def missing_days(store: Store, run_date: date, snapshots: int) -> list[date]:
    """Return the days whose snapshots this night makes, oldest first: its own, and those of the days before
    that no earlier night has made in every view."""
    window = [run_date - timedelta(days=back) for back in reversed(range(1, snapshots))]
    return [day for day in window if not _made_before(store, day, run_date)] + [run_date]


def _made_before(store: Store, day: date, run_date: date) -> bool:
    commits = [tables.read_commit(store, layout.night(f"features/{view}", day)) for view in FEATURE_VIEWS]
    return all(commit and commit.facts["written_by"] < str(run_date) for commit in commits)


def _write(
    staging: Staging, view: str, snapshots: DataFrame | list[pa.Table], days: list[date], run_date: date
) -> dict[date, Commit]:
    places = {day: layout.night(f"features/{view}", day) for day in days}
    facts = {"written_by": str(run_date)}
    if isinstance(snapshots, list):
        return {
            day: tables.write_table(staging.store, places[day], table, facts=facts, name=FILE)
            for day, table in zip(days, snapshots, strict=True)
        }
    # a stamp is the end of its day
    dated = snapshots.withColumn(DAY, F.date_sub(F.to_date(STAMP), 1))
    entity = FEATURE_VIEWS[view].key[0]
    return staging.write_days(dated, DAY, places, sort=[entity], facts=facts, name=FILE)


def _report(
    read: Read, days: list[date], embedded: list[Embedded], commits: dict[str, dict[date, Commit]]
) -> Report:
    night = days[-1]
    rows = {view: of_view[night].rows for view, of_view in commits.items()}
    outputs = {
        layout.night(f"features/{view}", day): commit.digest
        for view, of_view in commits.items()
        for day, commit in of_view.items()
    }
    facts: dict[str, Any] = {"days": [str(day) for day in days]}
    for each in embedded:
        read.inputs.update(each.inputs)
        outputs.update(each.outputs)
        facts.update(each.facts)
    return Report(_summary(rows, facts), rows=rows, inputs=read.inputs, outputs=outputs, facts=facts)


def _summary(rows: dict[str, int], facts: dict[str, Any]) -> str:
    parts = [
        f"features of {rows[USER_FEATURES.name]:,} users and {rows[ITEM_FEATURES.name]:,} items",
        f"{len(facts['days'])} {'snapshot' if len(facts['days']) == 1 else 'snapshots'}",
    ]
    parts += [
        f"{facts[f'{what}_encoded']:,} of {facts[what]:,} {what} encoded anew"
        for what in ("texts", "images")
        if facts[f"{what}_encoded"] < facts[what]
    ]
    if facts["images_missing"]:
        parts.append(f"{facts['images_missing']:,} of {facts['images']:,} images cannot be read")
    if facts.get("vectors_of_wrong_length"):
        wrong = f"{facts['vectors_of_wrong_length']:,} of {facts['vectors']:,} vectors"
        parts.append(f"{wrong} left out: their length is not {facts['vectors_width']}")
    return ", ".join(parts)
