"""The rules of a lease: time limit, reasons to stop, waiting, and what survives a wipe."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.errors import (
    JobCancelled,
    JobStopped,
    LambdaExceeded,
    LeaseLost,
    LedgerUnavailable,
    MediaRejected,
    WorkerStopping,
)
from tests.unit.factories import admit, claim
from workers.attempt import lease as module
from workers.attempt.lease import Lease
from workers.attempt.lease_keeper import LeaseKeeper

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.scripts import Scripts
    from tests.conftest import Clock


class Time:
    """A clock that only sleeping moves; `act` is called at each sleep."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.act: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.act()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(module, "time", time)
    return time


@pytest.fixture
def lease(ledger: Ledger, time: Time) -> Lease:
    return Lease(claim(ledger, admit(ledger)), None, ledger, LeaseKeeper(ledger))


def test_the_time_limit(lease: Lease, time: Time) -> None:
    limit = lease.job.wall_ms / 1000
    assert lease.seconds_left == limit
    time.now += limit - 1
    assert lease.seconds_left == 1
    lease.check()
    time.now += 1
    with pytest.raises(MediaRejected, match="longer"):
        lease.check()
    time.now += 5
    assert lease.seconds_left == 0
    lease.check_fence()  # the job may still be closed


@pytest.mark.parametrize(
    ("first", "second", "wins"),
    [
        (JobCancelled, LambdaExceeded, LambdaExceeded), (JobCancelled, WorkerStopping, WorkerStopping), (JobCancelled, LeaseLost, LeaseLost),
        (WorkerStopping, JobCancelled, WorkerStopping), (WorkerStopping, LeaseLost, LeaseLost), (LeaseLost, WorkerStopping, LeaseLost),
        (LeaseLost, JobCancelled, LeaseLost), (JobCancelled, MediaRejected, JobCancelled),
    ],
)  # fmt: skip
def test_which_reason_to_stop_wins(
    lease: Lease, first: type[JobStopped], second: type[JobStopped], wins: type[JobStopped]
) -> None:
    assert not lease.stopping
    lease.stop(first("first"))
    assert lease.stopping
    lease.stop(second("second"))
    with pytest.raises(JobStopped) as caught:
        lease.check()
    assert type(caught.value) is wins


@pytest.mark.parametrize(
    ("reason", "fenced"), [(LeaseLost, True), (WorkerStopping, True), (LambdaExceeded, True), (JobCancelled, False)]
)
def test_only_some_reasons_forbid_to_close_the_job(lease: Lease, reason: type[JobStopped], fenced: bool) -> None:
    lease.stop(reason("x"))
    if fenced:
        with pytest.raises(reason):
            lease.check_fence()
    else:
        lease.check_fence()


def test_waiting_sleeps_in_short_steps(lease: Lease, time: Time) -> None:
    lease.wait(0.5)
    assert sum(time.slept) == pytest.approx(0.5)
    assert max(time.slept) == pytest.approx(0.2)
    time.act = lambda: lease.stop(LeaseLost("x"))
    before = len(time.slept)
    with pytest.raises(LeaseLost):
        lease.wait(60)
    assert len(time.slept) == before + 1


def test_confirming_waits_for_redis(lease: Lease, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = itertools.chain([LedgerUnavailable(), LedgerUnavailable()], itertools.repeat("ok"))

    def renew_all(_: Any) -> list[str]:
        answer = next(answers)
        if isinstance(answer, LedgerUnavailable):
            raise answer
        return [answer]

    monkeypatch.setattr(lease._ledger, "renew_all", renew_all)
    lease.confirm()
    assert sum(time.slept) == pytest.approx(2 * (1 + module.LOCKED_SECONDS))


def test_closing_as_cancelled_waits_for_whoever_cancels(lease: Lease, ledger: Ledger, time: Time) -> None:
    lease.started()
    lease.confirm()
    assert ledger.begin_cancel(lease.job.job_id, lease.job.id, "other") == "flagged"
    time.act = lambda: ledger.unlock(lease.job.job_id, "other") if len(time.slept) == 3 else None
    lease.confirm("cancelling")
    assert time.slept == pytest.approx([module.LOCKED_SECONDS] * 3)


def test_a_cancel_stops_the_run_and_a_lost_lease_too(lease: Lease, ledger: Ledger, clock: Clock) -> None:
    lease.started()
    lease.confirm()
    lease.check()
    ledger.begin_cancel(lease.job.job_id, lease.job.id, "other")
    lease.confirm()
    with pytest.raises(JobCancelled):
        lease.check()
    clock.advance(60_000)
    ledger.sweep()
    clock.advance(60_000)
    ledger.sweep()
    claim(ledger, lease.job)
    with pytest.raises(LeaseLost):
        lease.confirm()


def test_progress_never_falls_and_reaches_the_ledger(lease: Lease, ledger: Ledger) -> None:
    assert lease.percent == 0
    lease.progress(40)
    lease.progress(30)
    lease.confirm()
    seen = ledger.get(lease.job.job_id)
    assert seen is not None
    assert seen.progress == 40


def test_a_wipe_loses_neither_the_journal_nor_the_count_of_attempts(ledger: Ledger, scripts: Scripts, clock: Clock) -> None:
    first = claim(ledger, ticket := admit(ledger))
    assert first.job is not None
    ledger.finish(first.job, first.token, "retry", {}, 1000)
    clock.advance(1000)
    second = claim(ledger, ticket)
    assert second.attempt == 2
    lease = Lease(second, None, ledger, LeaseKeeper(ledger))
    lease.journal.say("halfway")
    lease.confirm()
    scripts.redis.flushall()
    lease.confirm()
    lease.confirm()
    seen = ledger.get(ticket.job_id)
    assert seen is not None
    assert (seen.attempts, seen.state, "halfway" in seen.journal) == (1, "active", True)
