"""Compares the scripts on a real Redis with the model: any sequence of transitions, wipes, rollbacks and clock jumps."""

from __future__ import annotations

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
from chalicelib.ledger.ledger import Ledger, new_token
from chalicelib.ledger.types import NextClaim
from chalicelib.ledger.usage import UsageLedger
from tests.unit import factories
from tests.unit.factories import CYCLE, Repeatable
from tests.unit.ledger.invariants import USERS
from tests.unit.ledger.losses import Losses
from tests.unit.ledger.model import Model

if TYPE_CHECKING:
    from chalicelib.ledger.types import Claim
    from tests.conftest import Clock, LossyScripts

RECORDS = [str(uuid.UUID(int=number)) for number in range(100, 108)]
LIMIT = 5
EXAMPLES = int(os.environ.get("MEDIAQ_EXAMPLES", "150"))
POOLS = st.sampled_from(["lambda", "container"])
INDEX = st.one_of(st.integers(0, 2), st.integers(0, 50))


class LedgerMachine(Losses):
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
        self.check_claim(got if got.job else None, job_id)

    def check_claim(self, got: Claim | None, job_id: str) -> None:
        """Compare a claimed job with the model's, and start it."""
        if got is None:
            assert job_id == ""
            return
        expected = self.model.jobs[job_id]
        assert got.job is not None
        assert (got.job.job_id, got.job.id) == (job_id, expected.id)
        assert (got.attempt, got.stalls, got.runs) == (expected.attempts + 1, expected.stalls, expected.runs)
        assert (got.cancelled, got.token) == (expected.cancel, expected.token)
        if self.records[job_id] == "pending":
            self.records[job_id] = "processing"
        self.claims.append((got.job, got.token))

    @rule(pool=POOLS, indices=st.lists(INDEX, max_size=5), slots=st.integers(0, 4), lost=st.booleans())
    def claim_with(self, pool: str, indices: list[int], slots: int, lost: bool) -> None:
        """A worker received several tickets, or looks without any; the same ticket may come twice."""
        tickets = [self.tickets[-1 - index % len(self.tickets)] for index in indices if self.tickets]
        named = [(ticket.id, ticket.job_id) for ticket in tickets]
        tokens = [new_token() for _ in range(min(slots, len(named)) if named else 1)]
        self.scripts.lose = lost
        if named:
            got = self.ledger.claim_with(pool, named, tokens)
            words, claimed = [verdict.word for verdict in got.tickets], got.jobs
        else:
            found = self.ledger.claim_next(pool, tokens[0])
            words, claimed = [], [found] if found else []
        expected, jobs = self.model.claim_with(pool, named, tokens, self.clock.ms)
        assert len(claimed) == len(jobs)
        for one, job_id in zip(claimed, jobs, strict=True):
            self.check_claim(one, job_id)
        if lost and claimed:  # the first answer said that they wait; by the second they run
            expected = [self.model.verdict(pool, *ticket) for ticket in named]
        assert words == expected

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
    @rule(
        index=INDEX,
        outcome=st.sampled_from(["completed", "failed", "cancelled", "retry"]),
        repeat=st.booleans(),
        pools=st.sampled_from([[], [], ["lambda"], ["container", "lambda"], ["lambda", "container"]]),
        lost=st.booleans(),
    )
    def finish(self, index: int, outcome: Any, repeat: bool, pools: list[str], lost: bool) -> None:
        """The record is closed first, as the commit order wants; sometimes the answer was lost. The worker wants the next job."""
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
            wanted = NextClaim(new_token() if pools else "", pools)
            self.scripts.lose = lost
            got = self.ledger.finish_and_claim(job, token, outcome, {}, 2_000, "", 0, wanted)
            ended = (job.job_id, job.id, token)
            word, next_id = self.model.finish_and_claim(ended, outcome, self.clock.ms, 2_000, wanted.token, pools)
            assert got.word == word
            self.check_claim(got.next, next_id)

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
