"""A store that fails, lies or comes back costs a job in parts nothing but time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.team.bucket import Bucket, forgetful, full, honest, lying, unreachable
from tests.unit.team.conftest import digest
from workers.team import exchange


@pytest.mark.parametrize("fault", [unreachable, full, lying, forgetful], ids=lambda fault: fault.__name__)
def test_a_store_that_fails_loses_nothing(encoding: Any, bucket: Bucket, expected: str, fault: Any) -> None:
    bucket.fault = fault
    done = encoding()
    assert digest(done) == expected
    assert done.result["parts"]["workers"] == 1


def test_a_store_that_fails_later_loses_nothing(encoding: Any, bucket: Bucket, expected: str) -> None:
    """Every third call fails, whatever it is."""
    calls = 0

    def sometimes(call: str, answer: Any) -> Any:
        nonlocal calls
        calls += 1
        return (unreachable if calls % 3 == 0 else lying if calls % 5 == 0 else honest)(call, answer)

    bucket.fault = sometimes
    assert digest(encoding()) == expected


def test_a_store_that_comes_back_is_used_again(
    encoding: Any, bucket: Bucket, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call after that for the recipe fails: the first part is not in the store, and the others are."""
    monkeypatch.setattr(exchange, "STORE_AGAIN_SECONDS", 0.0)
    calls = 0

    def once(call: str, answer: Any) -> Any:
        nonlocal calls
        calls += 1
        return (unreachable if calls == 2 else honest)(call, answer)

    bucket.fault = once
    done = encoding()
    assert digest(done) == expected
    assert done.result["parts"]["workers"] == 2
