"""The commit log: one winner an entry, nothing lost, nothing going back, whatever the store does."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest

from pipeline_tasks.errors import NothingToDo, Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import AlreadyExists, Store, StoreError, open_store
from pipeline_tasks.publishing import following, log
from pipeline_tasks.publishing.log import Change, Entry
from tests.failing_store import FailingStore, Killed, content

NIGHT = date(2026, 1, 10)


def change(version: str, night: date = NIGHT) -> Change:
    return Change(f"{night}-{version}", str(night), "f" * 64, "publish", "a test", f"night {night}")


def publish(store: Store, version: str, night: date = NIGHT) -> Entry:
    wanted = change(version, night)
    return log.append(store, wanted, following.not_backwards(store, wanted.version, night))


def live(store: Store) -> tuple[int, str]:
    found = log.newest(store)
    assert found is not None
    assert store.read(layout.CURRENT) == found.to_json()
    return found.sequence, named(found)


def named(entry: Entry) -> str:
    """Return the end of the version's name, after its night."""
    return entry.version.removeprefix(f"{entry.run_date}-")


def test_nothing_is_live_in_an_empty_lake(either_lake: Store) -> None:
    assert log.newest(either_lake) is None
    assert log.history(either_lake) == []
    assert not log.is_unfinished(either_lake)


def test_entries_follow_each_other_and_keep_their_content(either_lake: Store) -> None:
    for number in range(12):
        publish(either_lake, f"v{number}", NIGHT + timedelta(days=number))
    entries = log.history(either_lake)
    assert [(entry.sequence, named(entry)) for entry in entries] == [(n + 1, f"v{n}") for n in range(12)]
    assert live(either_lake) == (12, "v11")
    assert either_lake.keys(layout.LOG)[-1] == "recommendations/log/0000000012.json"


def test_the_live_version_again_adds_nothing(either_lake: Store) -> None:
    publish(either_lake, "v1")
    before = content(either_lake)
    with pytest.raises(NothingToDo, match="unchanged: version 2026-01-10-v1 is live since entry 1"):
        publish(either_lake, "v1")
    assert content(either_lake) == before


def test_another_version_of_the_same_night_replaces_it(either_lake: Store) -> None:
    publish(either_lake, "v1")
    publish(either_lake, "v2")
    assert live(either_lake) == (2, "v2")


def test_an_older_night_does_not_replace_a_newer_one(either_lake: Store) -> None:
    publish(either_lake, "v1")
    with pytest.raises(NothingToDo, match="newer night 2026-01-10 is live"):
        publish(either_lake, "v0", NIGHT - timedelta(days=1))
    assert live(either_lake) == (1, "v1")


def test_racing_publishers_all_get_an_entry_of_their_own(either_lake: Store) -> None:
    start = threading.Barrier(6)

    def race(number: int) -> Entry:
        store = open_store(either_lake.uri)
        start.wait()
        return log.append(store, change(f"v{number}"), lambda found: None)

    with ThreadPoolExecutor(6) as pool:
        entries = list(pool.map(race, range(6)))
    assert sorted(entry.sequence for entry in entries) == [1, 2, 3, 4, 5, 6]
    assert sorted(log.history(either_lake), key=lambda entry: entry.version) == entries
    live(either_lake)


def test_racing_publishers_of_one_version_add_one_entry(either_lake: Store) -> None:
    start = threading.Barrier(6)

    def race(_: int) -> bool:
        store = open_store(either_lake.uri)
        start.wait()
        try:
            publish(store, "v1")
        except NothingToDo:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(race, range(6))) == 1
    assert live(either_lake) == (1, "v1")


def test_who_loses_decides_again(lake: Store) -> None:
    """A newer night goes live between looking and creating: the older one must now stay away."""

    class Overtaken(FailingStore):
        def create(self, key: str, data: bytes) -> None:
            if self.changes == 0:
                self.changes += 1
                publish(self.inner, "newer", NIGHT + timedelta(days=1))
            self.inner.create(key, data)

    with pytest.raises(NothingToDo, match="newer night 2026-01-11"):
        publish(Overtaken(lake, at=99), "older")
    assert live(lake) == (1, "newer")


def test_a_lost_reply_is_looked_up_and_won(either_lake: Store) -> None:
    entry = publish(FailingStore(either_lake, at=1, when="after"), "v1")
    assert live(either_lake) == (1, "v1")
    assert log.history(either_lake) == [entry]


def test_a_retry_that_finds_its_own_entry_has_won(either_lake: Store) -> None:
    """boto3 sends a request again when its reply was lost, and is then told that the object exists."""
    store = FailingStore(either_lake, at=1, when="after", error=AlreadyExists("412"))
    assert publish(store, "v1").sequence == 1
    assert len(log.history(either_lake)) == 1


def test_a_retry_that_cannot_read_back_what_it_found_is_nobodys_loss_and_the_next_try_finishes(
    either_lake: Store,
) -> None:
    class Unreadable(FailingStore):
        def read(self, key: str) -> bytes:
            if key == layout.log_entry(1):
                raise StoreError("503")
            return self.inner.read(key)

    store = Unreadable(either_lake, at=1, when="after", error=AlreadyExists("412"))
    with pytest.raises(StoreError, match=r"412; whether this process made it is not known \(run it again\)"):
        publish(store, "v1")
    finished = log.finish(either_lake)
    assert finished is not None
    assert named(finished) == "v1"
    assert live(either_lake) == (1, "v1")


def test_a_lost_reply_to_somebody_elses_entry_is_lost(lake: Store) -> None:
    class Overtaken(FailingStore):
        def create(self, key: str, data: bytes) -> None:
            if self.changes == 0:
                publish(self.inner, "other")
                self.changes += 1
                raise StoreError("timeout")
            self.inner.create(key, data)

    publish(Overtaken(lake, at=99), "v1")
    assert [named(entry) for entry in log.history(lake)] == ["other", "v1"]


def test_a_conflict_that_made_no_entry_is_tried_again(either_lake: Store) -> None:
    """S3 may answer 409 to every one of those who create the same key at the same time."""
    store = FailingStore(either_lake, at=1, when="before", error=AlreadyExists("409"))
    assert publish(store, "v1").sequence == 1


def test_a_request_that_never_arrived_is_an_error_and_changes_nothing(either_lake: Store) -> None:
    with pytest.raises(StoreError, match="does not answer"):
        publish(FailingStore(either_lake, at=1, when="before"), "v1")
    assert content(either_lake) == {}


def test_a_race_that_is_never_won_ends(lake: Store) -> None:
    class AlwaysTaken(FailingStore):
        def create(self, key: str, data: bytes) -> None:
            raise AlreadyExists("taken")

    with pytest.raises(StoreError, match="other writers were first"):
        publish(AlwaysTaken(lake, at=99), "v1")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_write_leaves_the_old_version_or_the_new_one(either_lake: Store, when: Any) -> None:
    publish(either_lake, "old", NIGHT - timedelta(days=1))
    for at in (1, 2):
        with pytest.raises(Killed):
            publish(FailingStore(either_lake, at, when, Killed()), f"v{at}")
        found = log.newest(either_lake)
        assert found is not None
        assert named(found) == ("old" if (at, when) == (1, "before") else f"v{at}")
    log.refresh_current(either_lake)
    assert live(either_lake)[1] == "v2"


def test_a_copy_that_was_left_behind_is_known_and_repaired(either_lake: Store) -> None:
    publish(either_lake, "old", NIGHT - timedelta(days=1))
    with pytest.raises(Killed):
        publish(FailingStore(either_lake, at=2, error=Killed()), "v1")
    assert log.is_unfinished(either_lake)
    log.refresh_current(either_lake)
    assert not log.is_unfinished(either_lake)
    assert live(either_lake) == (2, "v1")


def test_what_is_no_entry_is_said(lake: Store) -> None:
    lake.write(layout.log_entry(1), b'{"not": "an entry"}')
    with pytest.raises(
        Refused,
        match=r"0000000001\.json is no entry of the log.*put it back .*current\.json.* remove it",
    ):
        log.newest(lake)


@pytest.mark.parametrize(
    ("altered", "said"),
    [
        ({"run_date": "2026-01-1q"}, "its night is '2026-01-1q', and its version '2026-01-10-v1'"),
        ({"run_date": "2026-01-11"}, "its night is '2026-01-11', and its version '2026-01-10-v1'"),
        ({"sequence": 12}, "it says that it is entry 12"),
        ({"sequence": "1"}, "its sequence is '1'"),
        ({"run_date": None}, "its run_date is None"),
        ({"action": "publisi"}, "its action is 'publisi'"),
        ({"manifest_sha256": 7}, "its manifest_sha256 is 7"),
    ],
)
def test_an_entry_of_which_a_value_was_altered_is_none_and_nothing_follows_it(
    lake: Store, altered: dict[str, Any], said: str
) -> None:
    publish(lake, "v1")
    content = json.loads(lake.read(layout.log_entry(1)))
    lake.write(layout.log_entry(1), json.dumps({**content, **altered}).encode())
    with pytest.raises(Refused) as refused:
        publish(lake, "v2", NIGHT + timedelta(days=1))
    assert f"0000000001.json is no entry of the log: {said}" in str(refused.value)
    assert log.keys(lake) == [layout.log_entry(1)]
