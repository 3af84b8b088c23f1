"""### Retention: what is old and nobody needs goes from the lake

Says by layer what would go, and removes it only where *Remove* is set (`retention.apply` is its default). Never what is
live, its predecessor, what waits to be released, the champion, or what a later night reads. It waits for a stage that is
at work, and a stage waits for it. Killed, it leaves whole tables; run it again.

**On call:** `notify` tells that it failed. Exit code 1 names who was writing; clear the task. Exit code 2 names a damaged object: nothing was removed.
"""

from airflow.sdk import DAG, Param
from command_tasks import command_task
from stage_tasks import default_args
from timetables import every

from pipeline_tasks import settings
from pipeline_tasks.notifying.callbacks import on_other_failure

loaded = settings.load()

with DAG(
    dag_id="retention",
    doc_md=__doc__,
    schedule=every(loaded.retention.schedule),
    catchup=False,
    max_active_runs=1,
    default_args=default_args(loaded),
    on_failure_callback=on_other_failure,
    params={
        "apply": Param(
            loaded.retention.apply,
            type="boolean",
            title="Remove",
            description="Off: only say in the log what would go, and what stays although it is old.",
        )
    },
    tags=["nightjar"],
):
    command_task("retention", "retention", {"NIGHTJAR_APPLY": "{{ params.apply }}"})
