"""Compares the scripts on a real Redis with the model: any sequence of transitions, wipes, rollbacks and clock jumps."""

from __future__ import annotations

import copy
import os
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from chalicelib.domain.jobs import MediaJob
from chalicelib.ledger import ledger
from chalicelib.ledger.ledger import Ledger, LostJob, new_token
from chalicelib.ledger.usage import UsageLedger
from tests.unit import factories
from tests.unit.factories import CYCLE, Repeatable
from tests.unit.ledger.invariants import USERS, Invariants
from tests.unit.ledger.model import Model
from tests.unit.ledger.model_job import Job
from tests.unit.ledger.snapshot import dump, restore

if TYPE_CHECKING:
    from tests.conftest import Clock, LossyScripts

RECORDS = [str(uuid.UUID(int=number)) for number in range(100, 108)]
LIMIT = 5
EXAMPLES = int(os.environ.get("MEDIAQ_EXAMPLES", "150"))
INDEX = st.one_of(st.integers(0, 2), st.integers(0, 50))


class LedgerMachine(Invariants):
    """One ledger, one model, the tickets that SQS would hold and the records that Directus would."""

    @initialize()
    def start(self) -> None:
        Repeatable.dice.seed(7)
        self.scripts.redis.flushall()
        self.clock.ms = 1_800_000_000_000
        self.ledger = Ledger(self.scripts, self.clock)
        self.model = Model()
        self.tickets: list[MediaJob] = []
        self.records: dict[str, str] = {}
        self.claims: list[tuple[MediaJob, str]] = []
        self.saved: tuple[dict[bytes, tuple[bytes, int]], Model] | None = None
        for user in USERS:
            UsageLedger(self.scripts).seed_jobs(user, CYCLE, "transcoding", 0)

    def holder(self, index: int) -> tuple[MediaJob, str]:
        return self.claims[-1 - index % len(self.claims)]  # the latest is the likeliest to hold its job still

    def as_model(self, job: MediaJob) -> Job:
        return Job(job.job_id, job.id, job.user_id, job.pool, job.priority, 0, job.wall_ms)

    @rule(
        record=st.sampled_from(RECORDS),
        user=st.sampled_from(USERS),
        priority=st.sampled_from([1, 10, 100]),
        pool=st.sampled_from(["lambda", "container"]),
        delay=st.sampled_from([0, 0, 0, 5_000]),
        limit=st.sampled_from([-1, LIMIT]),
        claimed=st.sampled_from([None, None, None, "pending", "failed"]),
    )
    def admit(self, record: str, user: str, priority: int, pool: str, delay: int, limit: int, claimed: str | None) -> None:
        """Mostly as the API would, sometimes on a stale reading of the record."""
        state: Any = claimed or self.records.get(record, "pending")
        if state == "completed":
            return
        asked = factories.job(user, priority, pool, record)
        token = new_token()
        got = self.ledger.admit(asked, state, limit, delay, token=token)
        expected = self.model.admit(
            self.as_model(msgspec.structs.replace(asked, id=got.id)), state, self.clock.ms, delay, limit, token
        )
        assert got.word == expected
        if got.word == "reopen" and self.records.get(record) == "failed":
            self.records[record] = "pending"
            again = self.ledger.admit(asked, "reopened", limit, delay, token=token)
            named = self.as_model(msgspec.structs.replace(asked, id=again.id))
            assert again.word == self.model.admit(named, "reopened", self.clock.ms, delay, limit, token) == "admitted"
            got = again
        if got.word == "admitted":
            self.records[record] = "pending"
            assert got.send is not None
        if got.send is not None:
            self.tickets.append(got.send)
        if got.word == "open":
            assert got.id == self.model.jobs[record].id

    @precondition(lambda self: self.tickets)
    @rule(index=INDEX, reopened=st.booleans())
    def retract(self, index: int, reopened: bool) -> None:
        """The send failed after all; a record that was reopened is to be set back."""
        job, token = self.tickets[-1 - index % len(self.tickets)], new_token() if reopened else ""
        assert self.ledger.retract(job.job_id, job.id, token) == self.model.retract(job.job_id, job.id, token)

    @precondition(lambda self: self.tickets)
    @rule(index=INDEX, pool=st.sampled_from([None, None, "lambda", "container"]), lost=st.booleans())
    def claim(self, index: int, pool: str | None, lost: bool) -> None:
        """A worker received a ticket; sometimes its first answer was lost."""
        ticket = self.tickets[-1 - index % len(self.tickets)]
        pool, token = pool or ticket.pool, new_token()
        self.scripts.lose = lost
        got = self.ledger.claim(pool, ticket.id, ticket.job_id, token)
        word, job_id = self.model.claim(pool, ticket.id, ticket.job_id, token, self.clock.ms)
        assert got.word == word
        if got.job is None:
            return
        expected = self.model.jobs[job_id]
        assert (got.job.job_id, got.job.id) == (job_id, expected.id)
        assert (got.attempt, got.stalls, got.runs) == (expected.attempts + 1, expected.stalls, expected.runs)
        assert got.cancelled == expected.cancel
        if self.records[job_id] == "pending":
            self.records[job_id] = "processing"
        self.claims.append((got.job, token))

    @rule(pool=st.sampled_from(["lambda", "container"]), paused=st.booleans())
    def pause(self, pool: str, paused: bool) -> None:
        assert self.ledger.pause(pool, paused) == ((pool in self.model.paused) != paused)
        self.model.paused = self.model.paused | {pool} if paused else self.model.paused - {pool}

    @precondition(lambda self: self.claims)
    @rule(index=INDEX, phase=st.sampled_from(["starting", "started", "closing", "cancelling"]))
    def renew(self, index: int, phase: Any) -> None:
        """Holders, and those who were."""
        job, token = self.holder(index)
        word = self.ledger.renew(job, token, 50, phase=phase)
        assert word == self.model.renew(job.job_id, job.id, token, self.clock.ms, phase)
        if word == "unknown" and self.records[job.job_id] in ("pending", "processing"):
            self.adopt_one(job, "processing", token)

    @precondition(lambda self: self.claims)
    @rule(index=INDEX, outcome=st.sampled_from(["completed", "failed", "cancelled", "retry"]), repeat=st.booleans())
    def finish(self, index: int, outcome: Any, repeat: bool) -> None:
        """The record is closed first, as the commit order wants; sometimes the answer was lost."""
        job, token = self.holder(index)
        open_record = self.records[job.job_id] in ("pending", "processing")
        held = self.model.jobs.get(job.job_id)
        speaks = held is not None and held.id == job.id and self.model.speaks(held, token)
        if outcome != "retry":
            if speaks and not open_record:
                outcome = "failed" if self.records[job.job_id] == "failed" else "completed"
            elif speaks:
                self.records[job.job_id] = "completed" if outcome == "completed" else "failed"
        for _ in range(1 + repeat):
            got = self.ledger.finish(job, token, outcome, {}, 2_000)
            assert got == self.model.finish(job.job_id, job.id, token, outcome, self.clock.ms, 2_000)

    @precondition(lambda self: self.claims)
    @rule(index=INDEX, delay=st.sampled_from([0, 30_000]))
    def release(self, index: int, delay: int) -> None:
        """Directus was away, or the worker goes down."""
        job, token = self.holder(index)
        assert self.ledger.release(job, token, delay) == self.model.release(job.job_id, job.id, token, self.clock.ms, delay)

    @precondition(lambda self: self.claims)
    @rule(index=INDEX)
    def move(self, index: int) -> None:
        """A Lambda ran out of time: the new ticket goes out first."""
        job, token = self.holder(index)
        there = msgspec.structs.replace(job, pool="container" if job.pool == "lambda" else "lambda")
        word = self.ledger.move(there, token)
        assert word == self.model.move(job.job_id, job.id, token, there.pool)
        if word == "ok":
            self.tickets.append(there)

    @rule(record=st.sampled_from(RECORDS), dies=st.booleans())
    def cancel(self, record: str, dies: bool) -> None:
        """The lock first, Directus second, the ledger last, if the caller lives as long."""
        if self.records.get(record) not in ("pending", "processing"):
            return
        open_id, token = self.model.jobs[record].id if record in self.model.jobs else "", new_token()
        word = self.ledger.begin_cancel(record, open_id, token)
        assert word == self.model.begin_cancel(record, open_id, token, self.clock.ms)
        if word in ("flagged", "unknown"):
            self.records[record] = "failed"
            if not dies:
                assert self.ledger.cancel(record, open_id, token)[0] == self.model.cancel(record, open_id, token)

    @rule(record=st.sampled_from(RECORDS))
    def lock(self, record: str) -> None:
        """A Flow's call refuses a record, and dies before it gives the lock back."""
        token = new_token()
        word = self.ledger.lock(record, token)
        assert word == ("open" if record in self.model.jobs else "ok" if self.model.lock(record, token) else "locked")

    @rule(record=st.sampled_from(RECORDS))
    def lock_ends(self, record: str) -> None:
        """Its owner is dead."""
        self.scripts.redis.delete(f"{self.scripts.prefix}:lock:{record}")
        self.model.locks.pop(record, None)

    @rule()
    def sweep(self) -> None:
        """Whoever requeues a job sends it a fresh ticket."""
        swept = self.ledger.sweep().missing
        assert self.model.sweep(self.clock.ms) <= {job.job_id for job in swept}
        for job in swept:
            assert self.model.jobs[job.job_id].state == "waiting"
            self.model.jobs[job.job_id].sent = self.clock.ms
            self.tickets.append(job)

    @rule(ms=st.sampled_from([1, 500, 2_000, 3_000, 10_001, 60_000]))
    def wait(self, ms: int) -> None:
        """Time passes. 60 s without a renewal is a pause of everything."""
        self.clock.advance(ms)

    @rule()
    def save(self) -> None:
        """From here on, writes may be lost."""
        keys = self.scripts.redis.scan_iter(count=1000)
        self.saved = ({key: dump(self.scripts, key) for key in keys}, self.model.copy())

    @precondition(lambda self: self.saved is not None)
    @rule()
    def roll_back(self) -> None:
        """A failover to a replica that had not heard the last writes."""
        assert self.saved is not None
        dump, model = self.saved
        self.scripts.redis.flushall()
        for key, value in dump.items():
            restore(self.scripts, key, value)
        self.model, self.saved = copy.deepcopy(model), None
        self.put_back_all()

    @rule()
    def flush(self) -> None:
        """Redis is wiped."""
        self.scripts.redis.flushall()
        self.model, self.saved = Model(), None
        for user in USERS:
            UsageLedger(self.scripts).seed_jobs(user, CYCLE, "transcoding", 0)
        self.put_back_all()

    def put_back_all(self) -> None:
        """Every ticket is met by a worker, which adopts what the ledger does not know."""
        for ticket in list(self.tickets):
            record = self.records.get(ticket.job_id)
            if record in ("pending", "processing"):
                probe = self.ledger.claim("nowhere", ticket.id, ticket.job_id, new_token()).word
                self.model.promote(self.clock.ms)
                if probe == "unknown":
                    self.adopt_one(ticket, record, "")

    def adopt_one(self, job: MediaJob, record: Any, token: str) -> None:
        got = self.ledger.adopt([LostJob(job, record, 0, token)])
        assert got == [self.model.adopt(self.as_model(job), record, token, self.clock.ms)]


def test_scripts_follow_the_model(shared_scripts: LossyScripts, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "secrets", Repeatable)
    LedgerMachine.scripts, LedgerMachine.clock = shared_scripts, clock
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
