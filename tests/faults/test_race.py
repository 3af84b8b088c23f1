"""Of publishers that race for an entry one wins and the others know it; a store that honours no condition is found out."""

from typing import Any

import pytest

from pipeline_tasks.lake.store import Store
from tests.faults.proxy import proxied
from tests.faults.race import race


def test_of_64_publishers_one_wins_each_round(lake: Store) -> None:
    assert race(lake.uri, publishers=64, rounds=6) == []


def test_on_s3_one_wins_each_round(s3_lake: Any, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxied(s3_endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        assert race(s3_lake.uri, publishers=16, rounds=3) == []


def test_a_local_store_that_honours_no_condition_is_found_out(lake: Store) -> None:
    wrong = race(lake.uri, publishers=16, rounds=4, careless=True)
    assert any("publishers were told that they had won" in each for each in wrong), wrong


def test_an_s3_store_that_honours_no_condition_is_found_out(
    s3_lake: Any, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxied(s3_endpoint, unconditional=True) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        wrong = race(s3_lake.uri, publishers=16, rounds=3)
    assert any("publishers were told that they had won" in each for each in wrong), wrong
