"""A store that keeps what the log rests on is said to be fine; one that breaks any of it is found out."""

from typing import Any

import pytest

from pipeline_tasks.lake.store import AlreadyExists, Store, StoreError
from pipeline_tasks.publishing.probe import probe
from tests.failing_store import FailingStore, content


def faults(store: Store) -> list[str]:
    return [fault for _, fault in probe(store, rounds=3) if fault]


def test_a_good_store_is_trusted_and_left_as_it_was(either_lake: Store) -> None:
    either_lake.write("kept", b"1")
    assert faults(either_lake) == []
    assert content(either_lake) == {"kept": b"1"}


class Careless(FailingStore):
    """Honours no condition: who comes last has written."""

    def create(self, key: str, data: bytes) -> None:
        self.inner.write(key, data)


class Racy(FailingStore):
    """Looks, and then puts: between the two somebody else may come."""

    def create(self, key: str, data: bytes) -> None:
        if self.inner.exists(key):
            raise AlreadyExists(key)
        self.inner.write(key, data)


class Stale(FailingStore):
    """Gives what was read first, for ever."""

    def read(self, key: str) -> bytes:
        self.seen: dict[str, bytes] = getattr(self, "seen", {})
        return self.seen.setdefault(key, self.inner.read(key))


class Forgetful(FailingStore):
    """Lists what it has later."""

    def keys(self, prefix: str) -> list[str]:
        return self.inner.keys(prefix)[:-1] if "/list/" in prefix else self.inner.keys(prefix)


class Undying(FailingStore):
    def delete(self, keys: list[str]) -> None:
        self.inner.delete([key for key in keys if not key.endswith("/gone")])


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Careless, "If-None-Match is not honoured"),
        (Racy, "writers were told that they had created the same object"),
        (Stale, "was read after"),
        (Forgetful, "4 of 5 objects were listed"),
        (Undying, "a deleted object is still read"),
    ],
)
def test_a_store_that_breaks_a_promise_is_found_out(lake: Store, kind: Any, said: str) -> None:
    assert any(said in fault for fault in faults(kind(lake, at=99)))


def test_a_store_that_does_not_answer_is_said(lake: Store) -> None:
    class Silent(FailingStore):
        def create(self, key: str, data: bytes) -> None:
            raise StoreError("no answer")

    assert faults(Silent(lake, at=99)) == ["no answer", "no answer"]
