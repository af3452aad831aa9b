"""What a worker does with the tickets that it receives, and which jobs it claims with them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from chalicelib.errors import DirectusUnavailable, LedgerUnavailable, TicketsUnavailable
from chalicelib.queues.tickets import Ticket, read_ticket
from tests.unit.factories import admit, claim
from workers.runtime import claims as module
from workers.runtime import recovery
from workers.runtime.claims import TicketClaims
from workers.runtime.ticket_keeper import TicketKeeper

if TYPE_CHECKING:
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.scripts import Scripts
    from chalicelib.ledger.types import Claim
    from tests.conftest import Clock

SOON = range(module.UNKNOWN_STATE_MS[0], module.UNKNOWN_STATE_MS[1] + 1)


class Queue:
    """Notes what becomes of each ticket, by its receipt."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.held: dict[str, int] = {}
        self.deleted: list[str] = []
        self.dead: list[str] = []
        self.more: list[Ticket] = []
        self.unreachable = False

    def _call(self, name: str) -> None:
        self.calls[name] += 1
        if self.unreachable:
            raise TicketsUnavailable

    def hold_all(self, delays: list[tuple[Ticket, int]]) -> None:
        self._call("hold_all")
        self.held |= {ticket.receipt: ms for ticket, ms in delays}

    def hold(self, ticket: Ticket, delay_ms: int = 0) -> None:
        self._call("hold")
        self.held[ticket.receipt] = delay_ms

    def delete_all(self, tickets: list[Ticket]) -> None:
        self._call("delete_all")
        self.deleted += [ticket.receipt for ticket in tickets]

    def send_to_dead_letter_queue(self, ticket: Ticket) -> None:
        self._call("send_to_dead_letter_queue")
        self.dead.append(ticket.receipt)

    def receive(self, pool: str, most: int, wait_seconds: int) -> list[Ticket]:
        self._call("receive")
        return self.more


class Directus:
    """Has records by id; None: unreachable."""

    def __init__(self) -> None:
        self.records: dict[str, Any] | None = {}

    def read_jobs(self, ids: list[str]) -> dict[str, Any]:
        if self.records is None:
            raise DirectusUnavailable
        return {one: self.records[one] for one in ids if one in self.records}


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def directus(monkeypatch: pytest.MonkeyPatch) -> Directus:
    monkeypatch.setattr(recovery.orphaned_files, "clear", lambda *_: None)
    return Directus()


@pytest.fixture
def claims(ledger: Ledger, queue: Any, directus: Any) -> TicketClaims:
    return TicketClaims(ledger, queue, directus, TicketKeeper(queue, at_once=True))


class Taken:
    """Claims, and notes which jobs were started, each with its own ticket or None."""

    def __init__(self, claims: TicketClaims, tickets: list[Ticket], slots: int, pool: str = "container") -> None:
        self.jobs: list[tuple[Claim, Ticket | None]] = []
        handled = claims.claim(pool, tickets, slots, lambda claim, own: self.jobs.append((claim, own)))
        self.ended, self.calls_for_parts = handled


def ticket(job: MediaJob, receipt: str = "") -> Ticket:
    return Ticket(job.pool, receipt or job.job_id, "", job)


def record(status: str) -> Any:
    return msgspec.defstruct("Record", [("status", str), ("attempts", int)])(status, 0)


def test_as_many_jobs_as_there_are_slots(claims: TicketClaims, ledger: Ledger, queue: Queue) -> None:
    """The other tickets are visible again at once, and all of that is one call."""
    jobs = [admit(ledger) for _ in range(5)]
    taken = Taken(claims, [ticket(job) for job in jobs], 2)
    assert [(got.job.id, own.job.id) for got, own in taken.jobs if got.job and own and own.job] == [
        (job.id, job.id) for job in jobs[:2]
    ]
    assert queue.held == {job.job_id: 0 for job in jobs[2:]}
    assert (queue.deleted, queue.calls["hold_all"]) == ([], 1)
    assert ledger.stats()[:2] == (3, 2)


def test_the_best_jobs_run_not_those_of_the_tickets(claims: TicketClaims, ledger: Ledger, queue: Queue) -> None:
    common, urgent = admit(ledger, priority=50), admit(ledger, priority=1)
    taken = Taken(claims, [ticket(common)], 1)
    [(got, own)] = taken.jobs
    assert got.job is not None
    assert (got.job.id, own) == (urgent.id, None)
    assert queue.held == {common.job_id: 0}


def test_each_ticket_by_the_state_of_its_job(claims: TicketClaims, ledger: Ledger, queue: Queue, clock: Clock) -> None:
    ended, running, retried, moved = (admit(ledger) for _ in range(4))
    for job in (ended, running, retried, moved):
        got = claim(ledger, job)
        assert got.job is not None
        if job is ended:
            ledger.finish(got.job, got.token, "completed", {})
        elif job is retried:
            ledger.finish(got.job, got.token, "retry", {}, 7000)
        elif job is moved:
            ledger.move(msgspec.structs.replace(got.job, pool="lambda"), got.token)
    taken = Taken(claims, [ticket(job) for job in (ended, running, retried, moved)], 4)
    assert taken.jobs == []
    assert sorted(queue.deleted) == sorted([ended.job_id, moved.job_id])
    assert [one.receipt for one in taken.ended] == queue.deleted
    assert queue.held == {running.job_id: 150_000, retried.job_id: 7000}
    assert queue.calls == {"hold_all": 1, "delete_all": 1}


def test_a_second_ticket_of_a_claimed_job_is_returned(claims: TicketClaims, ledger: Ledger, queue: Queue) -> None:
    job = admit(ledger)
    taken = Taken(claims, [ticket(job, "first"), ticket(job, "second")], 2)
    assert [own.receipt for _, own in taken.jobs if own] == ["first"]
    assert (queue.held, queue.deleted) == ({"second": 0}, [])
    Taken(claims, [ticket(job, "second")], 1)
    assert queue.held == {"second": 150_000}


def test_a_paused_pool_starts_nothing(claims: TicketClaims, ledger: Ledger, queue: Queue) -> None:
    job = admit(ledger)
    ledger.pause("container", True)
    assert Taken(claims, [ticket(job)], 1).jobs == []
    assert queue.held == {job.job_id: 300_000}


def test_without_a_slot_the_tickets_of_ended_jobs_are_deleted_all_the_same(
    claims: TicketClaims, ledger: Ledger, queue: Queue
) -> None:
    ended, waiting = admit(ledger), admit(ledger)
    got = claim(ledger, ended)
    assert got.job is not None
    ledger.finish(got.job, got.token, "failed", {})
    assert Taken(claims, [ticket(ended), ticket(waiting)], 0).jobs == []
    assert (queue.deleted, queue.held) == ([ended.job_id], {waiting.job_id: 0})


def test_tickets_that_cannot_be_read(claims: TicketClaims, ledger: Ledger, queue: Queue) -> None:
    job = admit(ledger)
    received = [
        Ticket("container", "poison", "{", None, poison=True),
        Ticket("container", "later release", "{}", None),
        read_ticket("container", '{"v":2,"parts_of":"a job"}', "call"),
        ticket(job),
    ]
    taken = Taken(claims, received, 4)
    assert taken.calls_for_parts
    assert (queue.dead, queue.deleted) == (["poison"], ["call"])
    assert queue.held.keys() == {"later release"}
    assert queue.held["later release"] in SOON
    assert len(taken.jobs) == 1


class TestAfterAWipe:
    @pytest.fixture
    def lost(self, ledger: Ledger, scripts: Scripts) -> list[MediaJob]:
        jobs = [admit(ledger) for _ in range(4)]
        scripts.redis.flushall()
        return jobs

    def test_all_jobs_of_the_tickets_are_restored_with_one_look_at_directus(
        self, claims: TicketClaims, ledger: Ledger, queue: Queue, directus: Directus, lost: list[MediaJob]
    ) -> None:
        statuses = ("pending", "pending", "processing", "completed")
        directus.records = {job.job_id: record(status) for job, status in zip(lost, statuses, strict=True)}
        taken = Taken(claims, [ticket(job) for job in lost], 1)
        assert [got.job.id for got, _ in taken.jobs if got.job] == [lost[0].id]
        assert queue.deleted == [lost[3].job_id]
        assert queue.held == {lost[1].job_id: 0, lost[2].job_id: 150_000}
        assert ledger.stats()[:2] == (1, 2)
        assert queue.calls["receive"] == 0

    def test_a_lone_ticket_receives_more_to_restore_theirs(
        self, claims: TicketClaims, ledger: Ledger, queue: Queue, directus: Directus, lost: list[MediaJob]
    ) -> None:
        directus.records = {job.job_id: record("pending") for job in lost}
        queue.more = [ticket(job) for job in lost[1:]]
        assert len(Taken(claims, [ticket(lost[0])], 1).jobs) == 1
        assert queue.held == {job.job_id: 0 for job in lost[1:]}
        assert ledger.stats()[:2] == (3, 1)

    def test_while_directus_is_unreachable_the_tickets_wait(
        self, claims: TicketClaims, ledger: Ledger, queue: Queue, directus: Directus, lost: list[MediaJob]
    ) -> None:
        """A job that the ledger knows runs all the same."""
        directus.records = None
        known = admit(ledger)
        taken = Taken(claims, [ticket(lost[0]), ticket(lost[1]), ticket(known)], 3)
        assert [got.job.id for got, _ in taken.jobs if got.job] == [known.id]
        assert queue.held.keys() == {lost[0].job_id, lost[1].job_id}
        assert set(queue.held.values()) <= set(SOON)


def test_while_redis_is_unreachable_the_tickets_wait(
    claims: TicketClaims, ledger: Ledger, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [admit(ledger) for _ in range(2)]

    def unreachable(*_: Any) -> None:
        raise LedgerUnavailable

    monkeypatch.setattr(ledger, "claim_with", unreachable)
    taken = Taken(claims, [ticket(job) for job in jobs], 2)
    assert (taken.jobs, taken.ended) == ([], [])
    assert queue.held.keys() == {job.job_id for job in jobs}
    assert set(queue.held.values()) <= set(SOON)


def test_while_sqs_is_unreachable_a_claimed_job_runs(claims: TicketClaims, ledger: Ledger, queue: Queue) -> None:
    ended, job = admit(ledger), admit(ledger)
    got = claim(ledger, ended)
    assert got.job is not None
    ledger.finish(got.job, got.token, "completed", {})
    queue.unreachable = True
    poison = Ticket("container", "poison", "{", None, poison=True)
    taken = Taken(claims, [poison, ticket(ended), ticket(job)], 1)
    assert [got.job.id for got, _ in taken.jobs if got.job] == [job.id]


def test_a_job_is_started_before_anything_else_is_called(
    claims: TicketClaims, ledger: Ledger, queue: Queue, directus: Directus, scripts: Scripts
) -> None:
    """Directus and SQS may take longer than a lease lasts."""
    lost = admit(ledger)
    scripts.redis.flushall()
    ended = admit(ledger)
    got = claim(ledger, ended)
    assert got.job is not None
    ledger.finish(got.job, got.token, "completed", {})
    known = admit(ledger)
    calls: list[str] = []
    directus.records = {lost.job_id: record("pending")}
    read = directus.read_jobs
    directus.read_jobs = lambda ids: calls.append("directus") or read(ids)  # type: ignore[func-returns-value, method-assign]
    queue._call = calls.append  # type: ignore[method-assign]
    poison = Ticket("container", "poison", "{", None, poison=True)
    received = [poison, ticket(lost), ticket(known), ticket(known, "again"), ticket(ended)]
    claims.claim("container", received, 2, lambda started, _: calls.append(started.job.id if started.job else ""))
    assert calls == [
        known.id,
        "receive",
        "directus",
        "hold_all",
        lost.id,
        "send_to_dead_letter_queue",
        "delete_all",
        "hold_all",
    ]
