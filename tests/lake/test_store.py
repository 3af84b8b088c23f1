"""Both object stores keep the interface's promises: whole objects, created once, clear errors."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import s3
from pipeline_tasks.lake.store import AlreadyExists, Missing, Store, StoreError, open_store

ODD = ["plain.json", "a b/ü.json", "日本/😀.json", "quote'\"#?%2F&+.json", "run_date=2026-01-01/x=y.json"]


def test_what_is_written_is_read_and_replaced_whole(either_lake: Store) -> None:
    for key in ODD:
        either_lake.write(f"odd/{key}", b"old " * 1000)
        either_lake.write(f"odd/{key}", key.encode())
    assert {key: either_lake.read(f"odd/{key}") for key in ODD} == {key: key.encode() for key in ODD}
    assert either_lake.keys("odd/") == sorted(f"odd/{key}" for key in ODD)


def test_a_missing_object_is_said_with_its_address(either_lake: Store, tmp_path: Path) -> None:
    for look in (
        either_lake.read,
        either_lake.open,
        lambda key: either_lake.download(key, tmp_path / "x"),
    ):
        with pytest.raises(Missing, match=r"a/b\.json"):
            look("a/b.json")
    assert not either_lake.exists("a/b.json")
    assert either_lake.keys("a/") == []
    assert either_lake.folders("a/") == []


def test_create_never_replaces(either_lake: Store) -> None:
    either_lake.create("log/1.json", b"first")
    with pytest.raises(AlreadyExists):
        either_lake.create("log/1.json", b"second")
    assert either_lake.read("log/1.json") == b"first"


def test_listings_are_sorted_and_know_prefixes_and_folders(either_lake: Store) -> None:
    for key in ("t/b/2", "t/b/1", "t/a/1", "t/top", "tt/1"):
        either_lake.write(key, b"")
    assert either_lake.keys("t/") == ["t/a/1", "t/b/1", "t/b/2", "t/top"]
    assert either_lake.keys("t/b/1") == ["t/b/1"]
    assert either_lake.keys("t") == ["t/a/1", "t/b/1", "t/b/2", "t/top", "tt/1"]
    assert either_lake.folders("t/") == ["a", "b"]
    assert either_lake.folders("") == ["t", "tt"]


def test_deleting_what_is_absent_is_no_error(either_lake: Store) -> None:
    either_lake.write("a", b"")
    either_lake.delete(["a", "b"])
    either_lake.delete([])
    assert either_lake.keys("") == []


def test_sizes_are_told_and_an_empty_folder_is_none(either_lake: Store) -> None:
    either_lake.write("t/a/x=1/1", b"12")
    either_lake.write("t/b/2", b"")
    assert either_lake.sizes("t/") == {"t/a/x=1/1": 2, "t/b/2": 0}
    either_lake.delete(["t/a/x=1/1"])
    assert either_lake.folders("t/") == ["b"]


def test_large_files_go_up_and_down_unchanged(either_lake: Store, tmp_path: Path) -> None:
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(bytes(range(256)) * ((s3.TRANSFER.multipart_threshold + 5_000) // 256))
    either_lake.upload(sent, "large.bin")
    either_lake.download("large.bin", received)
    assert received.read_bytes() == sent.read_bytes()


def test_an_opened_object_can_be_sought_in(either_lake: Store) -> None:
    data = bytes(range(256)) * 40
    either_lake.write("a.bin", data)
    with either_lake.open("a.bin") as handle:
        assert handle.seek(-10, 2) == len(data) - 10
        assert handle.read() == data[-10:]
        assert handle.seek(300) == 300
        assert handle.read(5) == data[300:305]
        assert handle.read(5) == data[305:310]
        handle.seek(0)
        assert handle.read() == data
        assert handle.read(1) == b""


def test_an_opened_s3_object_fetches_only_what_is_read(s3_lake: Any, monkeypatch: Any) -> None:
    s3_lake.write("a.bin", bytes(6 << 20))
    asked, get = [], s3_lake._client.get_object
    monkeypatch.setattr(
        s3_lake._client, "get_object", lambda **request: asked.append(request["Range"]) or get(**request)
    )
    with s3_lake.open("a.bin") as handle:
        handle.seek(5 << 20)
        handle.read(100)
    assert asked == [f"bytes={5 << 20}-{(6 << 20) - 1}"]


def _create(uri: str, who: int) -> int | None:
    try:
        open_store(uri).create("log/1.json", str(who).encode() * 10_000)
    except AlreadyExists:
        return None
    return who


def test_of_many_threads_that_create_one_object_one_wins(either_lake: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        winners = [
            who for who in pool.map(lambda who: _create(either_lake.uri, who), range(8)) if who is not None
        ]
    assert len(winners) == 1
    assert either_lake.read("log/1.json") == str(winners[0]).encode() * 10_000


def test_of_many_processes_that_create_one_object_one_wins(lake: Store) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.starmap(_create, [(lake.uri, who) for who in range(9)])
    winners = [who for who in found if who is not None]
    assert len(winners) == 1
    assert lake.read("log/1.json") == str(winners[0]).encode() * 10_000


def test_a_key_cannot_leave_the_lake(lake: Store) -> None:
    for key in ("../outside", "a/../../outside", "/etc/passwd"):
        with pytest.raises(StoreError, match="leaves the lake"):
            lake.write(key, b"")


@pytest.mark.parametrize(
    "uri",
    [
        "http://host/lake",
        "lake",
        "s3://",
        "gs://bucket/lake",
        "file://lake",
        "file://lake/",
        "file://host/lake",
        "file:///",
    ],
)
def test_what_is_no_place_for_a_lake_is_refused(uri: str) -> None:
    with pytest.raises(Refused, match="no place for a lake"):
        open_store(uri)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("AWS_ENDPOINT_URL_S3", "127.0.0.1:9000", "Invalid endpoint: 127.0.0.1:9000"),
        ("AWS_PROFILE", "nosuch", r"profile \(nosuch\) could not be found"),
    ],
)
def test_what_boto3_cannot_make_a_client_of_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Refused, match=rf"cannot open s3://bucket/lake: .*{reason}.*see .*{name}"):
        open_store("s3://bucket/lake")


def test_folders_with_spaces_and_signs_make_a_lake(tmp_path: Path) -> None:
    store = open_store((tmp_path / "my lake #1 é").as_uri())
    store.write("a", b"1")
    assert (tmp_path / "my lake #1 é" / "a").read_bytes() == b"1"


@pytest.mark.parametrize("uri", ["s3://bucket/team#1/lake", "s3://bucket/a?b/lake"])
def test_signs_of_an_address_are_part_of_a_lakes_name(uri: str) -> None:
    assert open_store(uri).uri == uri


def test_signs_that_are_not_escaped_are_part_of_a_folders_name(tmp_path: Path) -> None:
    assert open_store(f"file://{tmp_path}/lake#test?").uri == (tmp_path / "lake#test?").as_uri()


def test_a_bucket_that_is_not_there_is_named(s3_lake: Store) -> None:
    absent = open_store("s3://nobody-made-this-bucket/lake")
    for act in (lambda: absent.write("a", b""), lambda: absent.keys(""), lambda: absent.read("a")):
        with pytest.raises(StoreError, match="no bucket 'nobody-made-this-bucket'"):
            act()


def test_an_endpoint_that_does_not_answer_is_one_line_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "CLIENT", s3.CLIENT.merge(s3.Config(retries={"max_attempts": 0})))
    for name, value in {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match="cannot read s3://bucket/lake/a") as raised:
        open_store("s3://bucket/lake").read("a")
    assert "AWS_ENDPOINT_URL_S3" in raised.value.hint
    assert "\n" not in str(raised.value)


def test_without_credentials_the_reason_names_them(
    s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    with pytest.raises(StoreError, match="credentials"):
        open_store("s3://bucket/lake").read("a")
