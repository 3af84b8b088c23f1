"""### Release: a version that waits goes live when somebody says so

A night is held where its lists are far from the live ones, or where it was run with `publish` = hold. Trigger this,
read the verdict under *Required Actions*, and approve or reject. Before it goes live, what can be had is read again: a
version whose items have sold out since is refused. Nothing waits: all tasks are skipped.
"""

import json
from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Asset, Param, chain
from command_tasks import command_task, version_param
from stage_tasks import default_args

from pipeline_tasks import settings

loaded = settings.load()
ASKED = "{{ ti.xcom_pull(task_ids='verdict')['version'] }}"

with DAG(
    dag_id="release_recommendations",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=default_args(loaded),
    params={
        "version": version_param("the newest that waits"),
        "why": Param("released by hand", type="string", minLength=1, title="Why", description="For the log."),
    },
    tags=["nightjar"],
):
    chain(
        command_task(
            "verdict",
            "release --show",
            {"NIGHTJAR_VERSION": "{{ params.version or '' }}"},
            output_processor=json.loads,
        ),
        ApprovalOperator(
            task_id="approve",
            subject=f"May {ASKED} go live?",
            body="{{ ti.xcom_pull(task_ids='verdict')['text'] }}",
            response_timeout=timedelta(days=1),
        ),
        command_task(
            "release",
            "release",
            {"NIGHTJAR_VERSION": ASKED, "NIGHTJAR_WHY": "{{ params.why }}"},
            outlets=[Asset("nightjar_recommendations")],
        ),
    )
