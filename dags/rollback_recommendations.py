"""### Rollback: an earlier version goes live again

One new entry of the log; no data moves, and who is reading the old version finishes undisturbed. The next night goes
live as usual, but a rerun of the night that was rolled back does not, unless it comes to another version.
"""

from airflow.sdk import DAG, Asset, Param
from command_tasks import command_task, version_param
from stage_tasks import default_args

from pipeline_tasks import settings

with DAG(
    dag_id="rollback_recommendations",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=default_args(settings.load()),
    params={
        "version": version_param("the one that was live before"),
        "why": Param(type="string", minLength=1, title="Why", description="For the log."),
    },
    tags=["nightjar"],
):
    command_task(
        "rollback",
        "rollback",
        {"NIGHTJAR_VERSION": "{{ params.version or '' }}", "NIGHTJAR_WHY": "{{ params.why }}"},
        outlets=[Asset("nightjar_recommendations")],
    )
