"""The store returns what was stored, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.errors import StoreUnavailable
from tests.unit.team.bucket import Bucket, forgetful, full, honest, lying, unreachable

if TYPE_CHECKING:
    from pathlib import Path

    from workers.team.store import PartStore


def test_an_object_is_what_was_stored(store: PartStore, bucket: Bucket, tmp_path: Path) -> None:
    file, target = tmp_path / "file", tmp_path / "target"
    file.write_bytes(b"x" * 3_000_000)
    key = store.put("job/admission", "source-1", file)
    store.get(key, target)
    assert target.read_bytes() == file.read_bytes()
    target.unlink()
    for fault in (lying, forgetful, unreachable):
        bucket.fault = fault
        with pytest.raises(StoreUnavailable):
            store.get(key, target)
        assert [one.name for one in tmp_path.iterdir()] == ["file"]
    bucket.fault = honest
    with pytest.raises(StoreUnavailable):
        store.get(key, target, bytes_max=1_000_000)


@pytest.mark.parametrize("fault", [full, unreachable])
def test_what_cannot_be_stored_is_an_error(store: PartStore, bucket: Bucket, tmp_path: Path, fault: object) -> None:
    (tmp_path / "file").write_bytes(b"x")
    bucket.fault = fault  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        store.put("job/admission", "source-1", tmp_path / "file")
