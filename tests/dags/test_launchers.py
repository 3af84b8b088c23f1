"""Tasks in containers and pods: the DAG asks the engines for the right thing."""

import os
from pathlib import Path

import pytest

from pipeline_tasks import settings
from tests.dags.loading import load, serialized


def test_the_container_gets_lake_settings_and_gpus(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTJAR_TRAIN__LAUNCHER", "docker")
    monkeypatch.setenv("NIGHTJAR_TRAIN__DOCKER__GPUS", "1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("NIGHTJAR_NOTIFY__WEBHOOK", "https://hooks.example.com/hush")
    monkeypatch.setenv("NIGHTJAR_SPARK__CONF", '{"spark.hadoop.fs.s3a.secret.key": "hush"}')
    dag = load("nightly_recommendations")
    task = dag.get_task("train")
    assert type(task).__name__ == "DockerOperator"
    assert task.command == ["train"]
    assert task.device_requests[0]["Count"] == 1
    assert task.shm_size is None
    assert task.user == f"{os.getuid()}:{os.getgid()}"
    assert "hush" not in str(task.environment) + str(serialized(dag))
    assert type(dag.get_task("ingest")).__name__ == "BashOperator"


def test_the_pod_asks_for_what_the_settings_say(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {
        "LAKE": "s3://bucket/lake",
        "TRAIN__LAUNCHER": "kubernetes",
        "TRAIN__KUBERNETES__GPUS": "1",
        "TRAIN__KUBERNETES__NAMESPACE": "night",
        "TRAIN__KUBERNETES__MEMORY": "4Gi",
        "TRAIN__KUBERNETES__ENVIRONMENT_FROM": "lake-keys",
        "TRAIN__KUBERNETES__SERVICE_ACCOUNT": "trainer",
    }.items():
        monkeypatch.setenv(f"NIGHTJAR_{name}", value)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path)))
    task = load("nightly_recommendations").get_task("recommend")
    pod = task.build_pod_request_obj()
    container = pod.spec.containers[0]
    assert pod.metadata.namespace == "night"
    assert pod.spec.service_account_name == "trainer"
    assert container.args == ["recommend"]
    assert container.resources.limits == {"memory": "4Gi", "nvidia.com/gpu": "1"}
    assert container.resources.requests == {"cpu": "2", "memory": "4Gi"}
    assert container.env_from[0].secret_ref.name == "lake-keys"
    environment = {entry.name: entry.value for entry in container.env}
    assert environment["NIGHTJAR_LAKE"] == "s3://bucket/lake"
    assert environment.items() >= settings.agreed(settings.load()).items()
    assert pod.spec.security_context["runAsNonRoot"] is True
    assert pod.spec.enable_service_links is False


def test_several_processes_get_memory_to_share(
    airflow_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NIGHTJAR_TRAIN__PROCESSES", "2")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path)))
    monkeypatch.setenv("NIGHTJAR_TRAIN__LAUNCHER", "docker")
    task = load("nightly_recommendations").get_task("train")
    assert (task.command, task.shm_size) == (["train"], 1 << 30)  # the stage itself starts its processes
    assert task.environment["NIGHTJAR_TRAIN__PROCESSES"] == "2"
    monkeypatch.setenv("NIGHTJAR_TRAIN__LAUNCHER", "kubernetes")
    spec = load("nightly_recommendations").get_task("train").build_pod_request_obj().spec
    assert [mount.mount_path for mount in spec.containers[0].volume_mounts] == ["/dev/shm"]
    assert [volume.empty_dir.medium for volume in spec.volumes] == ["Memory"]


def kubeconfig(folder: Path) -> Path:
    """Write a configuration of a cluster that nobody calls: the pod is built, not started."""
    path = folder / "kubeconfig"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
        "clusters: [{name: x, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "contexts: [{name: x, context: {cluster: x, user: x}}]\nusers: [{name: x, user: {}}]\n"
    )
    return path
