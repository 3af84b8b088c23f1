"""### The night: from the source's tables to published top-N lists

Thirteen stages in a straight chain. A night ends in one of two ways: new tables are live, or the old ones
still are and `outcome` says why. Every stage keeps a record in the lake, `runs/<run_date>/<stage>.json`,
with its reason; `reports/<run_date>/index.html` sums the night up.

**On call:** open the first red task's log; its last line says what was found, where, and what to do.

* A stage that exits with 2 was *refused* (bad data, a wrong setting) and is not retried: mend the cause, then
  clear that task and those after it. Running a night again never harms what is live.
* Anything else was retried already: look at the store, the disk, the engine; then clear the task.
* Skipped `publish`: nothing new to publish, or the run asked not to; the reason is in its log. Cleared in the run whose
  version is live it tells consumers once more.
* By hand: *Trigger* with another `run_date` or `model`, or `publish` = off to look before anyone else does.
* A range: `python -m pipeline_tasks airflow backfill create --dag-id nightly_recommendations --max-active-runs 1` with
  `--from-date` and `--to-date`, which are mornings: the run of night D is that of D + 1. Of these nobody is told.
* A run in which nothing goes on: look at *Import Errors*; with a mistake in `nightjar.toml` Airflow starts no further task.
* Told by `notify`, once a night: it failed, with the reason above, or it is not live by `airflow.deadline`. A night
  that is told late and then goes live is fine; told late and still running, look at the task that runs.
"""

from airflow.sdk import DAG, Asset, chain
from alerts import deadline
from night_params import night_params
from stage_tasks import default_args, stage_task
from timetables import every

from pipeline_tasks import settings
from pipeline_tasks.lake.records import STAGES
from pipeline_tasks.notifying.callbacks import on_failure

loaded = settings.load()

with DAG(
    dag_id="nightly_recommendations",
    doc_md=__doc__,
    # without a start date, switching the DAG on waits for the next night, unless it should have started within the hour
    schedule=every(loaded.airflow.schedule),
    catchup=False,
    max_active_runs=1,
    default_args=default_args(loaded),
    on_failure_callback=on_failure,
    deadline=deadline(loaded),
    params=night_params(loaded),
    tags=["nightjar"],
):
    published = Asset("nightjar_recommendations")
    last = {"report": {"trigger_rule": "all_done"}, "outcome": {"trigger_rule": "all_done"}}
    chain(
        *(
            stage_task(
                loaded, stage, **last.get(stage, {"outlets": [published]} if stage == "publish" else {})
            )
            for stage in STAGES
        )
    )
