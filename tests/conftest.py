"""What tests share: one Spark session, a local lake, an S3 server on loopback, settings that use them."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pipeline_tasks  # noqa: F401 - first of all: it says how torch's threads wait

for name in [name for name in os.environ if name.startswith("NIGHTJAR_")]:
    del os.environ[name]
os.environ.update(
    GX_ANALYTICS_ENABLED="false", FEAST_USAGE="False", AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False"
)

CHECKOUT = Path(__file__).resolve().parent.parent
SHARED_DATA = CHECKOUT.parent / "shared" / "data"


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a file's tests share a process, whole nights too; the scheduler's and they take longest, and begin."""

    def begins(item: pytest.Item) -> int:
        return (item.path.name == "test_airflow.py") + 2 * ("end_to_end" in item.path.parts)

    for item in items:
        item.add_marker(pytest.mark.xdist_group("nights" if begins(item) == 2 else item.path.as_posix()))
    items.sort(key=begins, reverse=True)


@pytest.fixture(autouse=True)
def _torchs_threads() -> Iterator[None]:
    """Leave torch as many threads as it had: a setting binds them, and the same bytes need the same number."""
    import torch

    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The one Spark session of the test process; stages under test find it active and use it."""
    from pipeline_tasks.settings import SparkSettings
    from pipeline_tasks.spark.session import spark_session

    settings = SparkSettings(master="local[2]", driver_memory="1g", shuffle_partitions=2)
    with spark_session(settings, "tests", tmp_path_factory.mktemp("spark")) as session:
        yield session


@pytest.fixture
def make_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that gives settings of a lake, state and data folder under `tmp_path`.

    Keyword arguments are top-level settings; dictionaries are merged over the file's.
    """
    from pipeline_tasks import settings

    def make(**overrides: Any) -> settings.Settings:
        places = {
            "lake": (tmp_path / "lake").as_uri(),
            "state": str(tmp_path / "state"),
            "data": str(tmp_path / "data"),
        }
        return settings.load(**{**places, **overrides})

    return make


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    """An empty local lake, where `make_settings` points."""
    from pipeline_tasks.lake.local import LocalStore

    return LocalStore(tmp_path / "lake")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of a real S3 server (moto) on a free port of 127.0.0.1, or the one that is named."""
    named = os.environ.get("AWS_ENDPOINT_URL_S3")
    if named:
        yield named
        return
    from moto.s3.responses import S3Response
    from moto.server import ThreadedMotoServer

    # S3 looks and puts in one step; moto's threads may come between
    put, one_at_a_time = S3Response.put_object, threading.Lock()

    def put_object(response: Any) -> Any:
        with one_at_a_time:
            return put(response)

    S3Response.put_object = put_object
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def s3_lake(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    """An empty lake in a bucket of its own on the S3 server, credentials by boto3's own chain."""
    import hashlib

    import boto3

    from pipeline_tasks.lake.store import open_store

    for name, value in {
        "AWS_ENDPOINT_URL_S3": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = "t-" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20]
    boto3.client("s3").create_bucket(Bucket=bucket)
    return open_store(f"s3://{bucket}/lake")


@pytest.fixture(params=["local", "s3"])
def either_lake(request: pytest.FixtureRequest) -> Any:
    """An empty lake, once on a local disk and once on the S3 server."""
    return request.getfixturevalue("lake" if request.param == "local" else "s3_lake")
