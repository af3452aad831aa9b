"""A bucket in this process, and what S3 can do wrong."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError, EndpointConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUCKET = "parts"


class Bucket:
    """A client of S3 that tests make fail: `fault` sees the call and its answer."""

    def __init__(self) -> None:
        self.real = boto3.client("s3", region_name="us-east-1")
        self.real.create_bucket(Bucket=BUCKET)
        self.fault: Callable[[str, Any], Any] = lambda call, answer: answer

    def __getattr__(self, call: str) -> Any:
        return lambda **given: self.fault(call, lambda: getattr(self.real, call)(**given))


def honest(call: str, answer: Any) -> Any:
    return answer()


def unreachable(call: str, answer: Any) -> Any:
    raise EndpointConnectionError(endpoint_url="http://s3")


def full(call: str, answer: Any) -> Any:
    if call == "put_object":
        raise ClientError({"Error": {"Code": "SlowDown"}}, call)
    return answer()


def lying(call: str, answer: Any) -> Any:
    """Every object has another byte."""
    found = answer()
    if call == "get_object":
        data = bytearray(found["Body"].read())
        data[len(data) // 2] ^= 1
        found["Body"] = Body(bytes(data))
    return found


def forgetful(call: str, answer: Any) -> Any:
    """What was stored is gone."""
    if call == "get_object":
        raise ClientError({"Error": {"Code": "NoSuchKey"}}, call)
    return answer()


class Body(io.BytesIO):
    def iter_chunks(self, size: int) -> Iterator[bytes]:
        while block := self.read(size):
            yield block
