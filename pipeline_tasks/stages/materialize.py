"""materialize: the night's feature snapshot in; Feast's definitions applied, the snapshot online, out."""

from datetime import date, timedelta

from feast import FeatureStore

from pipeline_tasks.contracts import FEATURE_VIEWS
from pipeline_tasks.featurestore.copies import refresh
from pipeline_tasks.featurestore.opening import copies_folder, open_feature_store
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import open_store
from pipeline_tasks.settings import Settings, night_end

A_MOMENT = timedelta(microseconds=1)


def run(settings: Settings, run_date: date) -> Report:
    """Put the night's snapshot into the online store, unless that holds a later night's already.

    Raises Refused where the night has no snapshot, or Feast's configuration is wrong.
    """
    lake = open_store(settings.lake_uri)
    with open_feature_store(settings) as store:
        held = refresh(lake, run_date, settings.features.snapshots, copies_folder(settings))
        later = _later_night(store, run_date)
        if later is None:
            stamp = night_end(run_date)
            store.materialize(stamp - timedelta(days=1) + A_MOMENT, stamp, list(FEATURE_VIEWS))
    tonight = {view: days[run_date] for view, days in held.items()}
    rows = {view: commit.rows for view, commit in tonight.items()}
    counts = ", ".join(f"{count:,} {view}" for view, count in rows.items())
    return Report(
        summary=f"{counts} online"
        if later is None
        else f"the online store holds {later} already: left as it is, as it never goes back",
        rows=rows,
        inputs={layout.night(f"features/{view}", run_date): c.digest for view, c in tonight.items()},
        facts={"materialized": later is None, "online_night": str(later or run_date)},
    )


def _later_night(store: FeatureStore, run_date: date) -> date | None:
    """Return the latest night that is online, when it is later than `run_date`, by Feast's own record."""
    ends = [store.get_feature_view(view).most_recent_end_time for view in FEATURE_VIEWS]
    nights = [(end - timedelta(days=1)).date() for end in ends if end is not None]
    return max((night for night in nights if night > run_date), default=None)
