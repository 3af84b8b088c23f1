"""Make feature snapshots: clean/ in; one snapshot a day of users, items and context out.

The night's own snapshot is always made; those of the days before it where no earlier night has made them.
All of them come out of one pass over the events, and each knows only what was before its stamp.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.contracts import CONTEXT_FEATURES, FEATURE_VIEWS, ITEM_FEATURES, USER_FEATURES
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store
from pipeline_tasks.lake.tables import Commit
from pipeline_tasks.settings import Settings, night_end
from pipeline_tasks.sources import choose
from pipeline_tasks.spark import image_embedding
from pipeline_tasks.spark.context_features import make_context_features
from pipeline_tasks.spark.item_features import make_item_features
from pipeline_tasks.spark.snapshots import STAMP, newest_versions
from pipeline_tasks.spark.staging import Staging, open_staging
from pipeline_tasks.spark.user_features import make_user_features
from pipeline_tasks.stages.features.embeddings import Embeddings, embed_items
from pipeline_tasks.stages.features.events import read_events

KEPT = StorageLevel.MEMORY_AND_DISK
FILE = "part.parquet"
DAY = "snapshot_day"


def run(settings: Settings, run_date: date) -> Report:
    """Write the missing snapshots; raises Refused where preprocess has not run for the night."""
    source = choose(settings).source
    with open_staging(settings, "features") as staging:
        days = missing_days(staging.store, run_date, settings.features.snapshots)
        stamps = [night_end(day) for day in days]
        clean = {name: layout.night(f"clean/{name}", run_date) for name in ("items", "users")}
        events = read_events(staging, run_date, source.events).persist(KEPT)
        versions = staging.read(clean["items"], stage="preprocess")
        users = staging.read(clean["users"], stage="preprocess")
        items = newest_versions(_with_text(versions), "item_id", stamps).persist(KEPT)
        embeddings = embed_items(settings, source, run_date, staging, versions, items)
        widths = {"topics": settings.features.affinity_dim, **embeddings.widths}
        made = {
            USER_FEATURES.name: make_user_features(events, users, items, stamps, widths["topics"]),
            ITEM_FEATURES.name: make_item_features(
                events, versions, items, embeddings.frame, stamps, widths
            ),
        }
