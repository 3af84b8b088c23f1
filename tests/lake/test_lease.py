"""One writer at a time: who waits, who is dead, who has lost without knowing, whatever the clocks say."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline_tasks.lake import layout, lease
from pipeline_tasks.lake.lease import Held, Lost, hold, take
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.settings import CHECKOUT
from tests.failing_store import FailingStore
from tests.lake.leases import EXPIRES, HASTY, Terms, claims

HOLDER = """
import sys
from pipeline_tasks.lake.lease import Lost, hold
from pipeline_tasks.lake.store import open_store
from tests.lake.leases import Terms

with hold(open_store(sys.argv[1]), "nights", Terms(60, float(sys.argv[2])), "a long night") as lease:
    print("held", flush=True)
    sys.stdin.readline()
    try:
        lease.require()
        print("still held", flush=True)
    except Lost as error:
        print(error, flush=True)
"""
Holder = Callable[[float], "subprocess.Popen[str]"]


@pytest.fixture
def holder(either_lake: Store) -> Iterator[Holder]:
    """Return a function that starts a process which holds the lease until it reads a line."""
    started: list[subprocess.Popen[str]] = []

    def start(expires: float) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, either_lake.uri, str(expires)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def asked(process: "subprocess.Popen[str]") -> str:
    """Let the holder go on; return what it says."""
    return process.communicate("\n", timeout=60)[0].strip()


def test_a_lease_is_given_back_and_taken_again_and_old_claims_are_removed(either_lake: Store) -> None:
    for number in range(1, 4):
        with hold(either_lake, "nights", Terms(), f"night {number}") as held:
            held.require()
            (claim,) = claims(either_lake)
            assert (claim["what"], claim["released"]) == (f"night {number}", False)
        (claim,) = claims(either_lake)
        assert claim["released"]
    assert either_lake.keys("leases/") == [layout.lease("nights", 3)]


def test_leases_of_two_names_know_nothing_of_each_other(lake: Store) -> None:
    with hold(lake, "nights", HASTY, "a night"), hold(lake, "versions", HASTY, "a rollback"):
        held = lake.keys("leases/")
    assert held == [layout.lease("nights", 1), layout.lease("versions", 1)]


def test_a_stage_waits_as_long_as_a_training_may_take_and_a_rollback_does_not(
    lake: Store, make_settings: Callable[..., Any]
) -> None:
    terms = make_settings().lease
    assert terms.wait_for("nights") >= 6 * 3600 > 600 >= terms.wait_for("versions")
    short = make_settings(lease={"versions_wait_seconds": 0.2, "expires_seconds": 0.1}).lease
    with hold(lake, "versions", terms, "a release"), pytest.raises(Held, match="waited 0 s"):
        take(lake, "versions", short, "a rollback")


def test_it_is_given_back_when_what_it_was_held_for_fails(lake: Store) -> None:
    with pytest.raises(ZeroDivisionError), hold(lake, "nights", Terms(), "a night"):
        raise ZeroDivisionError
    with hold(lake, "nights", HASTY, "the next"):
        pass


def test_who_finds_it_held_waits_and_is_told_by_whom_since_when_and_where(
    either_lake: Store, holder: Holder, capsys: pytest.CaptureFixture[str]
) -> None:
    process = holder(60)
    told = rf"held by a long night \(process {process.pid} on .+, since 20\d\d-"
    with pytest.raises(Held, match=told) as found:
        take(either_lake, "nights", HASTY, "another")
    assert found.value.exit_code == 1
    assert capsys.readouterr().err.count("waiting for the lease 'nights'") == 1
    assert asked(process) == "still held"
    with hold(either_lake, "nights", HASTY, "another"):
        pass


def test_of_many_who_ask_each_has_it_alone(either_lake: Store) -> None:
    inside = []

    def work(number: int) -> int:
        with hold(open_store(either_lake.uri), "nights", Terms(expires_seconds=2), f"{number}"):
            inside.append(number)
            time.sleep(0.02)
            assert inside[-1] == number
        return number

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(work, range(5))) == list(range(5))


def test_a_holder_that_lives_keeps_it_longer_than_it_would_take_to_expire(lake: Store) -> None:
    with hold(lake, "nights", Terms(expires_seconds=EXPIRES), "a long night") as held:
        with pytest.raises(Held):
            take(lake, "nights", Terms(wait_seconds=3 * EXPIRES, expires_seconds=0.01), "another")
        held.require()
        assert claims(lake)[0]["beat"] >= 3


def test_the_lease_of_a_killed_holder_expires(either_lake: Store, holder: Holder) -> None:
    process = holder(EXPIRES)
    process.kill()
    process.wait()
    begun = time.monotonic()
    with hold(either_lake, "nights", Terms(), "the next") as held:
        assert time.monotonic() - begun >= EXPIRES
        assert held.number == 2


def test_a_holder_that_was_paused_notices_that_it_has_lost(either_lake: Store, holder: Holder) -> None:
    process = holder(EXPIRES)
    process.send_signal(signal.SIGSTOP)
    with hold(either_lake, "nights", Terms(), "the next") as held:
        process.send_signal(signal.SIGCONT)
        assert "another has taken over: the next (process" in asked(process)
        held.require()  # what the late one wrote does not count
    with hold(either_lake, "nights", HASTY, "one more") as held:
        assert held.number == 3


def test_clocks_that_jump_and_differ_do_nothing(lake: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Jumping(datetime):
        hours = 0

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            cls.hours += 1
            return datetime(2026, 1, 1 + cls.hours % 2 * 20, cls.hours % 24, tzinfo=UTC)

    monkeypatch.setattr(lease, "datetime", Jumping)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    with hold(lake, "nights", Terms(expires_seconds=1), "a night") as held:
        with pytest.raises(Held):
            take(lake, "nights", HASTY, "one whose clock is ahead")
        held.require()


def test_a_number_that_others_have_passed_and_removed_is_not_taken_for_the_lease(lake: Store) -> None:
    """Who was paused between looking and creating finds the number free again."""

    class Paused(FailingStore):
        def create(self, key: str, data: bytes) -> None:
            if self.changes == 0:
                self.changes += 1
                for what in ("one", "two"):
                    with hold(self.inner, "nights", Terms(), what):
                        pass
            self.inner.create(key, data)

    taken = take(Paused(lake, at=99), "nights", Terms(), "a late one")
    assert taken.number == 3
    taken.require()
    assert lake.keys("leases/nights/") == [layout.lease("nights", 3)]


def test_who_has_lost_it_does_not_give_it_back(lake: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with hold(lake, "nights", Terms(), "a paused one") as held:
        other = take(lake, "versions", Terms(), "a rollback")
        lake.create(layout.lease("nights", 2), other.claim.to_json())
        with pytest.raises(Lost, match="run it again"):
            held.require()
    assert "was not given back" in capsys.readouterr().err
    assert not claims(lake)[-1]["released"]
