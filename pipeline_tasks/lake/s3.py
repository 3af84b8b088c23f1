"""S3 (or a store that speaks it) as an object store, by boto3: multipart, parallel, retried, checksummed.

Credentials, region and endpoint come from boto3's own chain (AWS_ENDPOINT_URL_S3 names another endpoint).
"""

import io
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.utils import S3_RETRYABLE_DOWNLOAD_ERRORS

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake.ranges import RangeReader
from pipeline_tasks.lake.store import AlreadyExists, Missing, StoreError

TRANSFER = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=8)
CLIENT = Config(
    retries={"mode": "standard", "max_attempts": 5},
    connect_timeout=10,
    read_timeout=60,
    max_pool_connections=32,  # of which a large file takes as many as TRANSFER says
)
DELETE_AT_ONCE = 1000
READ_ATTEMPTS = 5
# S3's answers to who creates: the object is there (412), or others are at it and it has to be tried again (409)
TAKEN, CONFLICT = 412, 409
CONFLICT_PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)
READ_AHEAD_BYTES = 1 << 20


class BeyondEnd(StoreError):
    """A range begins where the object has ended."""


class S3Store:
    """Objects of one bucket under a prefix (no slash at its ends; "" is the whole bucket).

    Raises Refused where the environment tells boto3 of no store that it can ask.
    """

    def __init__(self, bucket: str, prefix: str, config: Config | None = None) -> None:
        self.bucket = bucket
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")
        self._root = f"{prefix}/" if prefix else ""
        try:
            self._client: Any = boto3.client("s3", config=config or CLIENT)
        except (BotoCoreError, ValueError) as error:
            raise Refused(
                f"cannot open {self.uri}: {error}",
                "see AWS_ENDPOINT_URL_S3, which begins with http:// or https://, and AWS_PROFILE",
            ) from error

    def read(self, key: str) -> bytes:
        with self._explained("read", key):
            return self._body(key)

    def open(self, key: str) -> BinaryIO:
        with self._explained("read", key):
            size = self._client.head_object(**self._object(key))["ContentLength"]
        reader = RangeReader(size, partial(self.read_range, key))
        return cast(BinaryIO, io.BufferedReader(reader, READ_AHEAD_BYTES))

    def read_range(self, key: str, start: int, end: int) -> bytes:
        try:
            with self._explained("read", key):
                return self._body(key, Range=f"bytes={start}-{end - 1}")
        except BeyondEnd:
            return b""

    def write(self, key: str, data: bytes) -> None:
        with self._explained("write", key):
            self._client.put_object(**self._object(key), Body=data, ChecksumAlgorithm="SHA256")

    def create(self, key: str, data: bytes) -> None:
        with self._explained("create", key):
            for pause in (*CONFLICT_PAUSES_SECONDS, None):
                try:
                    self._client.put_object(
                        **self._object(key), Body=data, ChecksumAlgorithm="SHA256", IfNoneMatch="*"
                    )
                    return
                except ClientError as error:
                    if pause is None or _status(error) != CONFLICT:
                        raise
                    time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - so that rivals part

    def exists(self, key: str) -> bool:
        try:
            with self._explained("look at", key):
                self._client.head_object(**self._object(key))
        except Missing:
            return False
        return True

    def keys(self, prefix: str) -> list[str]:
        return list(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        with self._explained("list", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._root + prefix
            )
            found = [entry for page in pages for entry in page.get("Contents", ())]
            return dict(sorted((entry["Key"].removeprefix(self._root), entry["Size"]) for entry in found))

    def folders(self, prefix: str) -> list[str]:
        with self._explained("list", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._root + prefix, Delimiter="/"
            )
            found = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ())]
            return sorted(entry.removeprefix(self._root + prefix).rstrip("/") for entry in found)

    def upload(self, local: Path, key: str) -> None:
        with self._explained("write", key):
            self._client.upload_file(
                str(local),
                self.bucket,
                self._root + key,
                Config=TRANSFER,
                ExtraArgs={"ChecksumAlgorithm": "SHA256"},
            )

    def download(self, key: str, local: Path) -> None:
        with self._explained("read", key):
            self._client.download_file(self.bucket, self._root + key, str(local), Config=TRANSFER)

    def delete(self, keys: list[str]) -> None:
        for start in range(0, len(keys), DELETE_AT_ONCE):
            batch = [{"Key": self._root + key} for key in keys[start : start + DELETE_AT_ONCE]]
            with self._explained("delete", keys[start]):
                reply = self._client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": batch, "Quiet": True}
                )
                for error in reply.get("Errors", ()):
                    raise StoreError(f"cannot delete {self.uri}/{error['Key']}: {error['Message']}")

    def impatient(self, seconds: float) -> "S3Store":
        short = Config(
            retries={"mode": "standard", "total_max_attempts": 2},
            connect_timeout=seconds,
            read_timeout=seconds,
        )
        return S3Store(self.bucket, self._root.rstrip("/"), CLIENT.merge(short))

    def _body(self, key: str, **asked: str) -> bytes:
        """Return what was asked of an object: boto3 tries a request again, but no reply that breaks off."""
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                data: bytes = self._client.get_object(**self._object(key), **asked)["Body"].read()
                break
            except S3_RETRYABLE_DOWNLOAD_ERRORS:
                if attempt == READ_ATTEMPTS:
                    raise
        return data

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self._root + key}

    @contextmanager
    def _explained(self, verb: str, key: str) -> Iterator[None]:
        what = f"{self.uri}/{key}"
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "NoSuchBucket":
                raise StoreError(f"cannot {verb} {what}: there is no bucket {self.bucket!r}") from error
            if code in ("NoSuchKey", "404"):
                raise Missing(f"there is no {what}") from error
            if _status(error) == 416:
                raise BeyondEnd(f"{what} ends before the range that was asked for") from error
            if verb == "create" and _status(error) == TAKEN:
                raise AlreadyExists(f"{what} exists already") from error
            raise StoreError(f"cannot {verb} {what}: {error}", "see the store's permissions") from error
        except (BotoCoreError, Boto3Error) as error:
            raise StoreError(
                f"cannot {verb} {what}: {error}", "see the credentials and AWS_ENDPOINT_URL_S3"
            ) from error
        except OSError as error:
            raise StoreError(f"cannot {verb} {what}: {error.strerror or error}") from error


def _status(error: ClientError) -> int | None:
    status: int | None = error.response["ResponseMetadata"].get("HTTPStatusCode")
    return status
