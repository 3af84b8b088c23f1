"""Each fault of the proxy is what it says, and the S3 store comes through it or says what happened."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.lake import s3
from pipeline_tasks.lake.store import AlreadyExists, Store, StoreError, open_store
from tests.faults.proxy import FAULTS, Proxy, listed, proxied

BEFORE = ("reset", "cut request", "500", "503", "409")


@pytest.fixture
def behind(s3_lake: Any, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a context manager: the lake's store behind a proxy that has these faults, and the proxy."""

    @contextmanager
    def behind(*faults: str | None, **how: bool) -> Iterator[tuple[Store, Proxy]]:
        with proxied(s3_endpoint, listed(*faults), **how) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
            yield open_store(s3_lake.uri), proxy
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)

    monkeypatch.setattr(s3, "CLIENT", s3.CLIENT.merge(s3.Config(read_timeout=5)))
    return behind


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_in_each_request_is_come_through(
    fault: str, behind: Any, s3_lake: Store, tmp_path: Path
) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(bytes(range(256)) * 200)
    s3_lake.write("old", b"old " * 300)
    acts = [
        lambda store: store.write("a", b"a" * 3000),
        lambda store: store.upload(sent, "b"),
        lambda store: store.delete(["gone"]),
    ]
    looks = [
        lambda store: store.read("old") == b"old " * 300,
        lambda store: store.open("old").read() == b"old " * 300,
        lambda store: (
            store.download("old", tmp_path / "got") or (tmp_path / "got").read_bytes()[:4] == b"old "
        ),
        lambda store: store.exists("old"),
        lambda store: "old" in store.keys(""),
    ]
    for act in (*acts, *looks):
        with behind(fault) as (store, proxy):
            assert act(store) in (None, True)
            assert sum(proxy.seen.values()) == (0 if fault.startswith("409") else 1)
    assert s3_lake.read("a") == b"a" * 3000
    assert s3_lake.read("b") == sent.read_bytes()


@pytest.mark.parametrize("fault", FAULTS)
def test_who_creates_through_a_fault_has_created_or_is_told_that_it_is_there(
    fault: str, behind: Any, s3_lake: Store
) -> None:
    """A lost reply's retry finds its own object: whoever must know looks at what is in it, as the log does."""
    with behind(fault) as (store, proxy):
        try:
            store.create("log/1.json", b"mine")
        except AlreadyExists:
            assert fault not in (*BEFORE, "slow", "cut")
        assert proxy.seen == {fault: 1}
    assert s3_lake.read("log/1.json") == b"mine"


def test_a_conflict_is_no_object(behind: Any, s3_lake: Store) -> None:
    """S3 says "conflict, try again" to who creates beside others: nothing is there because of that."""
    with behind(*["409"] * 3) as (store, _):
        store.create("log/1.json", b"mine")
    assert s3_lake.read("log/1.json") == b"mine"
    with behind(*["409"] * 50) as (store, _):
        with pytest.raises(StoreError, match="cannot create") as raised:
            store.create("log/2.json", b"mine")
        assert not isinstance(raised.value, AlreadyExists)
    assert not s3_lake.exists("log/2.json")


@pytest.mark.parametrize("fault", ["reset", "500", "lost", "cut"])
def test_a_store_that_never_answers_ends_in_one_line(fault: str, behind: Any, s3_lake: Store) -> None:
    s3_lake.write("old", b"old " * 300)
    with behind(*[fault] * 50) as (store, _):
        for look in (lambda: store.read("old"), lambda: store.open("old").read()):
            with pytest.raises(StoreError, match="cannot read") as raised:
                look()
            assert "\n" not in str(raised.value)


def test_a_store_that_honours_no_condition_creates_what_is_there(behind: Any, s3_lake: Store) -> None:
    s3_lake.write("log/1.json", b"first")
    with behind(unconditional=True) as (store, _):
        store.create("log/1.json", b"second")
    assert s3_lake.read("log/1.json") == b"second"
