"""The renewals of all leases of a process: together, soon after a start, and after any error."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.errors import LedgerUnavailable
from tests.unit.factories import admit, claim
from tests.waiting import until
from workers.attempt import lease_keeper as module
from workers.attempt.lease import Lease
from workers.attempt.lease_keeper import LeaseKeeper

if TYPE_CHECKING:
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.scripts import Scripts


class Renewals:
    """A ledger that notes the renewals of each call, and fails the first ones."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls: list[list[Any]] = []
        self.many = threading.Event()

    def renew_all(self, renewals: list[Any]) -> list[str]:
        self.calls.append(renewals)
        if len(self.calls) >= 8:
            self.many.set()
        if self.errors:
            raise self.errors.pop()
        return ["ok"] * len(renewals)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.02)
    monkeypatch.setattr(module, "TICK_SECONDS", 0.005)


def lease(ledger: Ledger, renewals: Any, keeper: LeaseKeeper) -> Lease:
    return Lease(claim(ledger, admit(ledger)), None, renewals, keeper)


def test_all_leases_are_renewed_in_one_call(ledger: Ledger) -> None:
    renewals: Any = Renewals()
    keeper = LeaseKeeper(renewals)
    leases = [lease(ledger, renewals, keeper) for _ in range(3)]
    with leases[0], leases[1], leases[2]:
        assert renewals.many.wait(10)
    together = [call for call in renewals.calls if len(call) == 3]
    assert len(together) >= 7
    assert {renewal.job.job_id for renewal in together[0]} == {one.job.job_id for one in leases}


@pytest.mark.parametrize("error", [LedgerUnavailable(), RuntimeError("a bug")])
def test_renewals_go_on_after_an_error(ledger: Ledger, error: Exception) -> None:
    renewals: Any = Renewals(error, error)
    with lease(ledger, renewals, LeaseKeeper(renewals)):
        assert renewals.many.wait(10)


def test_one_lease_that_cannot_be_restored_does_not_keep_the_others(ledger: Ledger, scripts: Scripts) -> None:
    """After a wipe each lease restores its own job."""
    keeper = LeaseKeeper(ledger)
    broken, other = lease(ledger, ledger, keeper), lease(ledger, ledger, keeper)
    calls = []

    def renewed(*_: Any) -> str:
        calls.append(1)
        raise LedgerUnavailable

    broken.renewed = renewed  # type: ignore[method-assign]
    with broken, other:
        scripts.redis.flushall()
        until(lambda: ledger.get(other.job.job_id) is not None)
        until(lambda: len(calls) > 2)


def test_after_its_last_lease_the_thread_ends_and_another_lease_starts_it_again(ledger: Ledger) -> None:
    renewals: Any = Renewals()
    keeper = LeaseKeeper(renewals)
    for _ in range(2):
        with lease(ledger, renewals, keeper):
            count = len(renewals.calls)
            until(lambda count=count: len(renewals.calls) > count)  # type: ignore[misc]
        until(lambda: not keeper._running)
        assert not [one for one in threading.enumerate() if one.name == "leases"]


def test_a_started_job_is_reported_soon_and_once(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 60)
    monkeypatch.setattr(module, "STARTED_SECONDS", 1)
    renewals: Any = Renewals()
    keeper = LeaseKeeper(renewals)
    with lease(ledger, renewals, keeper) as started, lease(ledger, renewals, keeper):
        started.started()
        time.sleep(0.2)
        assert renewals.calls == []  # a job that ends at once need not report it
        until(lambda: renewals.calls)
        time.sleep(0.3)
        assert [[one.job.id for one in call] for call in renewals.calls] == [[started.job.id]]


def test_a_job_that_ends_before_it_is_reported_costs_no_call(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 60)
    monkeypatch.setattr(module, "STARTED_SECONDS", 0.1)
    renewals: Any = Renewals()
    keeper = LeaseKeeper(renewals)
    with lease(ledger, renewals, keeper):
        with lease(ledger, renewals, keeper) as short:
            short.started()
        time.sleep(0.3)
    assert renewals.calls == []


def test_a_lease_whose_renewal_cannot_be_built_does_not_keep_the_others(ledger: Ledger) -> None:
    renewals: Any = Renewals()
    keeper = LeaseKeeper(renewals)
    broken, other = lease(ledger, renewals, keeper), lease(ledger, renewals, keeper)

    def renewal() -> Any:
        raise UnicodeEncodeError("utf-8", "", 0, 1, "surrogates not allowed")

    broken.renewal = renewal  # type: ignore[method-assign, assignment]
    with broken, other:
        assert renewals.many.wait(10)
    assert {one.job.id for call in renewals.calls for one in call} == {other.job.id}


def test_a_thread_that_cannot_be_started_is_tried_again(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    renewals: Any = Renewals()
    keeper, start = LeaseKeeper(renewals), threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("can't start new thread")))
    with pytest.raises(RuntimeError), lease(ledger, renewals, keeper):
        raise AssertionError("not reached")
    monkeypatch.setattr(threading.Thread, "start", start)
    with lease(ledger, renewals, keeper):
        assert renewals.many.wait(10)
