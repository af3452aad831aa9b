"""The rules of a lease: time limit, reasons to stop, waiting, renewals of the ticket, and what survives a wipe."""

from __future__ import annotations

import itertools
import threading
import time as clock_time
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.errors import (
    JobCancelled,
    JobStopped,
    LambdaExceeded,
    LeaseLost,
    LedgerUnavailable,
    MediaRejected,
    TicketsUnavailable,
    WorkerStopping,
)
from chalicelib.queues.tickets import RUN_VISIBILITY_SECONDS
from tests.unit.factories import admit, claim
from workers.attempt import lease as module
from workers.attempt.lease import Lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.scripts import Scripts
    from tests.conftest import Clock

NOTHING: Any = None


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
    return Lease(claim(ledger, admit(ledger)), NOTHING, ledger, NOTHING)


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

    def renew(*_: Any, **__: Any) -> str:
        answer = next(answers)
        if isinstance(answer, LedgerUnavailable):
            raise answer
        return answer

    monkeypatch.setattr(lease._ledger, "renew", renew)
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
    lease = Lease(second, NOTHING, ledger, NOTHING)
    lease.journal.say("halfway")
    lease.confirm()
    scripts.redis.flushall()
    lease.confirm()
    lease.confirm()
    seen = ledger.get(ticket.job_id)
    assert seen is not None
    assert (seen.attempts, seen.state, "halfway" in seen.journal) == (1, "active", True)


class Tickets:
    """Notes how long a ticket is hidden."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.hidden: list[int] = []
        self.called = threading.Event()

    def hold(self, _: Any, ms: int) -> None:
        self.hidden.append(ms)
        self.called.set()
        if self.errors:
            raise self.errors.pop()


class Renewals:
    """A ledger that counts renewals, and fails the first ones."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.count = 0
        self.many = threading.Event()

    def renew(self, *_: Any, **__: Any) -> str:
        self.count += 1
        if self.count >= 8:
            self.many.set()
        if self.errors:
            raise self.errors.pop()
        return "ok"


def kept(ledger: Ledger, renewals: Any, ticket: Any, tickets: Any) -> Lease:
    return Lease(claim(ledger, admit(ledger)), ticket, renewals, tickets)


def test_the_ticket_is_hidden_for_as_long_as_a_run_may_need(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(module, "RECEIVE_VISIBILITY_SECONDS", 0.1)
    tickets, renewals = Tickets(), Renewals()
    with kept(ledger, renewals, object(), tickets):
        assert not tickets.called.wait(0.02)  # not before half of its first visibility timeout
        assert tickets.called.wait(10)
        renewals.many.clear()
        assert renewals.many.wait(10)
    assert tickets.hidden == [RUN_VISIBILITY_SECONDS * 1000]  # and again only after a part of that


def test_a_job_without_a_ticket_of_its_own_hides_none(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(module, "RECEIVE_VISIBILITY_SECONDS", 0.01)
    tickets, renewals = Tickets(), Renewals()
    with kept(ledger, renewals, None, tickets):
        assert renewals.many.wait(10)
    assert tickets.hidden == []


@pytest.mark.parametrize("error", [LedgerUnavailable(), RuntimeError("a bug")])
def test_renewals_go_on_after_an_error(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.01)
    renewals = Renewals(error, error)
    with kept(ledger, renewals, None, None):
        assert renewals.many.wait(10)


def test_renewals_go_on_while_sqs_is_unreachable(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(module, "RECEIVE_VISIBILITY_SECONDS", 0.01)
    tickets, renewals = Tickets(TicketsUnavailable()), Renewals()
    with kept(ledger, renewals, object(), tickets):
        assert renewals.many.wait(10)
    assert len(tickets.hidden) == 2  # the one that failed, and the next


def test_the_ticket_is_hidden_again_before_it_would_be_seen(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(module, "RECEIVE_VISIBILITY_SECONDS", 0.01)
    monkeypatch.setattr(module, "RUN_VISIBILITY_SECONDS", 0.25)
    tickets = Tickets()
    began = clock_time.monotonic()
    with kept(ledger, Renewals(), object(), tickets):
        while len(tickets.hidden) < 3:
            clock_time.sleep(0.01)
            assert clock_time.monotonic() - began < 5
    assert set(tickets.hidden) == {250}


def test_a_started_job_is_reported_soon_and_once(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 60)
    monkeypatch.setattr(module, "STARTED_SECONDS", 1)
    renewals = Renewals()
    with kept(ledger, renewals, None, None) as lease:
        lease.started()
        clock_time.sleep(0.2)
        assert renewals.count == 0  # a job that ends at once need not report it
        while renewals.count == 0:
            clock_time.sleep(0.01)
        clock_time.sleep(0.3)
        assert renewals.count == 1
