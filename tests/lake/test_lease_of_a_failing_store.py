"""A lease in a store that is slow, hangs, fails or loses replies: who lives keeps it, and who is dead does not."""

import threading
import time

import pytest

from pipeline_tasks.lake import layout
from pipeline_tasks.lake.lease import Held, hold, take
from pipeline_tasks.lake.store import Store, StoreError, open_store
from tests.failing_store import FailingStore
from tests.faults.proxy import proxied
from tests.lake.leases import EXPIRES, HASTY, Terms, claims


def test_a_reply_that_comes_late_does_not_make_a_living_holder_dead(lake: Store) -> None:
    class Late(FailingStore):
        """The second and third look take longer than a holder takes to expire, and show what was there before."""

        looks = 0

        def read(self, key: str) -> bytes:
            found = super().read(key)
            self.looks += 1
            if self.looks in (2, 3):
                time.sleep(1.5 * EXPIRES)
            return found

    with hold(lake, "nights", Terms(expires_seconds=EXPIRES), "a long night") as held:
        with pytest.raises(Held):
            take(Late(lake, at=99), "nights", Terms(wait_seconds=2 * EXPIRES), "another")
        held.require()


def test_a_lost_reply_is_looked_up(lake: Store) -> None:
    taken = take(FailingStore(lake, at=1, when="after"), "nights", Terms(), "a night")
    assert taken.number == 1
    assert claims(lake)[0]["nonce"] == taken.claim.nonce


def test_a_store_that_fails_for_a_while_costs_no_lease(
    lake: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store = FailingStore(lake, at=2)
    with hold(store, "nights", Terms(expires_seconds=0.4), "a night") as held:
        while store.changes < 4:
            time.sleep(0.01)
        held.require()
    assert "no sign of life for the lease 'nights': the store does not answer" in capsys.readouterr().err
    assert claims(lake)[0]["released"]


@pytest.mark.parametrize("nth", [1, 2])
def test_a_request_of_a_sign_that_hangs_costs_no_lease(
    s3_lake: Store, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    expires = 4.0
    hang = [0.0] * (nth - 1) + [2 * expires]
    signs = threading.Event()

    def draw(method: str, creates: bool) -> None:
        if signs.is_set() and hang:
            time.sleep(hang.pop(0))

    with proxied(s3_endpoint, draw) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        begun = time.monotonic()
        with hold(open_store(s3_lake.uri), "nights", Terms(expires_seconds=expires), "a night"):
            signs.set()
            while not claims(s3_lake)[0]["beat"]:
                assert time.monotonic() - begun < expires
                time.sleep(0.05)
    assert not hang


def test_an_impatient_request_is_tried_once_more_and_no_oftener(
    s3_lake: Store, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def draw(method: str, creates: bool) -> None:
        asked.append(method)
        time.sleep(1.5)

    with proxied(s3_endpoint, draw) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        with pytest.raises(StoreError):
            open_store(s3_lake.uri).impatient(0.5).keys("leases/")
    assert len(asked) == 2


def test_a_store_that_does_not_answer_fails_who_asks(lake: Store) -> None:
    with (
        pytest.raises(StoreError, match="does not answer"),
        hold(FailingStore(lake, at=1), "nights", Terms(), ""),
    ):
        pass


def test_a_claim_that_cannot_be_read_expires_like_any_other(lake: Store) -> None:
    lake.write(layout.lease("nights", 7), b"!")
    with pytest.raises(Held, match="somebody whose claim cannot be read"):
        take(lake, "nights", HASTY, "another")
    with hold(lake, "nights", Terms(expires_seconds=0.2), "another") as held:
        assert held.number == 8
