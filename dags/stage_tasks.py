"""The task of a stage: the same command line on the worker, in a container or in a pod, by the settings."""

import os
import re
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from airflow.sdk import RetryDecision, RetryPolicy
from command_tasks import command_task

from pipeline_tasks import settings

IN_CONTAINER = ("train", "evaluate", "recommend")
# /dev/shm where several processes train: NCCL passes gradients through it, and a container has 64 MB by default
SHARED_BYTES = 1 << 30
RUN_DATE = "{{ params.run_date or macros.ds_add((dag_run.logical_date or dag_run.run_after) | ds, -1) }}"
# Values reach the command line by environment only: nothing that a person typed meets a shell.
OVERRIDES = {
    "NIGHTJAR_RUN_DATE": RUN_DATE,
    "NIGHTJAR_TRAIN__MODEL": "{{ params.model }}",
    "NIGHTJAR_PUBLISH__MODE": "{{ params.publish }}",
    "NIGHTJAR_PUBLISH__WHY": "{{ params.why }}",
}
# the stages that failed in this very run, for `outcome`: one that could not begin has left the record of an earlier run
FAILED = """{% for stage, state in ti.get_task_states(dag_id=dag.dag_id, run_ids=[run_id]).get(run_id, {}).items()
if state == "failed" %}{{ stage }} {% endfor %}"""


class RefusedIsFinal(RetryPolicy):
    """Do not retry a stage that exited with 2: it was refused for a reason that a retry cannot cure."""

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
    ) -> RetryDecision:
        refused = re.search(r"exit code 2\.|'StatusCode': 2\b|exit_code': 2\b", str(exception))
        return (
            RetryDecision.fail("refused; see the reason in the log") if refused else RetryDecision.default()
        )

    def serialize(self) -> dict[str, Any]:
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> "RefusedIsFinal":
        return cls()


def default_args(loaded: settings.Settings) -> dict[str, Any]:
    """Return what all tasks share."""
    return {
        "owner": "nightjar",
        "retries": loaded.airflow.retries,
        "retry_delay": timedelta(seconds=loaded.airflow.retry_delay_seconds),
        "retry_policy": RefusedIsFinal(),
    }


def stage_task(loaded: settings.Settings, stage: str, **options: Any) -> Any:
    """Return the operator that runs `stage`; train, evaluate and recommend go where `train.launcher` says."""
    if stage in IN_CONTAINER and loaded.train.launcher == "docker":
        return _docker(loaded, stage, **options)
    if stage in IN_CONTAINER and loaded.train.launcher == "kubernetes":
        return _pod(loaded, stage, **options)
    told = {"NIGHTJAR_FAILED": FAILED} if stage == "outcome" else {}
    return command_task(stage, stage, {**OVERRIDES, **told}, **options)


def _settings_environment(loaded: settings.Settings) -> dict[str, str]:
    """The worker's own overrides, and the lake by its full address: what a container needs to agree.

    The settings file is mounted over the image's, or it is the image's own, and the stage refuses to run where that
    says something else: the worker's path to it means nothing there. Whom `notify` tells and how Spark starts is nothing
    to a container, and may hold secrets, which Airflow would keep beside the task.
    """
    prefix, not_kept = settings.PREFIX, ("NIGHTJAR_CONFIG", "NIGHTJAR_NOTIFY", "NIGHTJAR_SPARK")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(prefix) and not name.upper().startswith(not_kept)
    }
    return {**kept, "NIGHTJAR_LAKE": loaded.lake_uri, "NIGHTJAR_STATE": "/tmp/nightjar", **OVERRIDES}  # noqa: S108


def _docker(loaded: settings.Settings, stage: str, **options: Any) -> Any:
    from airflow.providers.docker.operators.docker import DockerOperator
    from docker.types import DeviceRequest, Mount

    docker = loaded.train.docker
    config = str(settings.config_path().resolve())
    mounts = [Mount(source=config, target="/app/nightjar.toml", type="bind", read_only=True)]
    if loaded.lake_uri.startswith("file://"):
        folder = unquote(loaded.lake_uri.removeprefix("file://"))
        mounts.append(Mount(source=folder, target=folder, type="bind"))
    gpus = [DeviceRequest(count=docker.gpus, capabilities=[["gpu"]])] if docker.gpus else None
    return DockerOperator(
        task_id=stage,
        image=docker.image,
        command=[stage],
        docker_url=docker.url or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock",
        network_mode=docker.network_mode,
        mounts=mounts,
        mount_tmp_dir=False,
        auto_remove="force",
        user=f"{os.getuid()}:{os.getgid()}",
        device_requests=gpus,
        shm_size=SHARED_BYTES if loaded.train.processes > 1 else None,
        environment=_settings_environment(loaded),
        private_environment={k: v for k, v in os.environ.items() if k.startswith("AWS_")},
        skip_on_exit_code=99,
        **options,
    )


def _pod(loaded: settings.Settings, stage: str, **options: Any) -> Any:
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
    from kubernetes.client import models as k8s

    pod = loaded.train.kubernetes
    gpus = {"nvidia.com/gpu": str(pod.gpus)} if pod.gpus else {}
    secret = pod.environment_from
    shared = k8s.V1EmptyDirVolumeSource(medium="Memory", size_limit=str(SHARED_BYTES))
    several = loaded.train.processes > 1
    return KubernetesPodOperator(
        task_id=stage,
        name=f"nightjar-{stage}",
        namespace=pod.namespace,
        image=pod.image,
        arguments=[stage],
        env_vars={**_settings_environment(loaded), **settings.agreed(loaded)},
        env_from=[k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name=secret))] if secret else [],
        service_account_name=pod.service_account,
        container_resources=k8s.V1ResourceRequirements(
            requests={"cpu": pod.cpu, "memory": pod.memory}, limits={"memory": pod.memory, **gpus}
        ),
        volumes=[k8s.V1Volume(name="shared", empty_dir=shared)] if several else [],
        volume_mounts=[k8s.V1VolumeMount(name="shared", mount_path="/dev/shm")] if several else [],  # noqa: S108
        security_context={"runAsNonRoot": True},
        # a Service's variables may have the names of settings
        full_pod_spec=k8s.V1Pod(
            metadata=k8s.V1ObjectMeta(), spec=k8s.V1PodSpec(containers=[], enable_service_links=False)
        ),
        reattach_on_restart=True,
        on_finish_action="delete_pod",
        do_xcom_push=False,
        skip_on_exit_code=99,
        **options,
    )
