"""The store of parts: objects in S3 that are written once and read by the hash in their key.

Nothing depends on it: what cannot be stored or read is encoded by the coordinator itself.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import StoreUnavailable

if TYPE_CHECKING:
    from pathlib import Path

logger = Logger(service="mediaq", child=True)
BLOCK = 1 << 20
OBJECT_BYTES_MAX = 4 << 30
"""S3 takes up to 5 GiB in one call."""
DELETE_AT_MOST = 1000


class PartStore:
    """The objects of one bucket. Methods raise `StoreUnavailable` if S3 is unreachable, refuses, or returns other bytes."""

    def __init__(self, bucket: str, s3: Any = None) -> None:
        self._bucket = bucket
        self._given = s3

    @cached_property
    def _s3(self) -> Any:
        """The client, made when it is used: it takes some time."""
        if self._given is not None:
            return self._given
        config = Config(
            connect_timeout=3,
            read_timeout=20,
            retries={"total_max_attempts": 2, "mode": "standard"},
            max_pool_connections=32,
            s3={"addressing_style": "path"},
        )
        return boto3.client("s3", config=config)

    def put(self, folder: str, name: str, file: Path) -> str:
        """Store a file under `folder`; return its key, which has its hash."""
        size = file.stat().st_size
        if size > OBJECT_BYTES_MAX:
            raise StoreUnavailable(f"A part of {size >> 20} MB is too large for the store")
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256")
            key = f"{folder}/{name}-{digest.hexdigest()}"
            stream.seek(0)
            self._do("put_object", Key=key, Body=stream, ContentLength=size)
        return key

    def get(self, key: str, target: Path, bytes_max: int = OBJECT_BYTES_MAX) -> None:
        """Write an object to `target`, which exists only if the bytes are those that were stored."""
        digest, size = hashlib.sha256(), 0
        new = target.with_name(f"{target.name}.part")
        try:
            body = self._do("get_object", Key=key)["Body"]
            with new.open("wb") as stream:
                for block in body.iter_chunks(BLOCK):
                    size += len(block)
                    if size > bytes_max:
                        break
                    digest.update(block)
                    stream.write(block)
            if digest.hexdigest() != key.rpartition("-")[2]:
                logger.error("the store returned other bytes than were stored", extra={"key": key, "bytes": size})
                raise StoreUnavailable("The store returned other bytes than were stored")
            new.rename(target)
        except (BotoCoreError, OSError) as error:  # while reading the body
            raise StoreUnavailable from error
        finally:
            new.unlink(missing_ok=True)

    def delete_all(self, folder: str) -> None:
        """Delete all objects under `folder`."""
        token: dict[str, str] = {}
        while True:
            found = self._do("list_objects_v2", Prefix=f"{folder}/", MaxKeys=DELETE_AT_MOST, **token)
            keys = [{"Key": one["Key"]} for one in found.get("Contents", ())]
            if keys:
                self._do("delete_objects", Delete={"Objects": keys, "Quiet": True})
            if not found.get("IsTruncated"):
                return
            token = {"ContinuationToken": found["NextContinuationToken"]}

    def _do(self, call: str, **arguments: Any) -> Any:
        try:
            return getattr(self._s3, call)(Bucket=self._bucket, **arguments)
        except (BotoCoreError, ClientError, Boto3Error) as error:
            raise StoreUnavailable(f"S3 failed: {type(error).__name__}") from error
