"""The store of parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from tests.unit.team.bucket import BUCKET, Bucket, honest
from workers.team.store import PartStore

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with mock_aws():
        bucket = Bucket()
        bucket.fault = honest
        yield bucket


@pytest.fixture
def store(bucket: Bucket) -> PartStore:
    return PartStore(BUCKET, bucket)
