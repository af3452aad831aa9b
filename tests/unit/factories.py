"""Builders for test objects."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING

from chalicelib.domain.jobs import MediaJob
from chalicelib.ledger.ledger import new_token

if TYPE_CHECKING:
    from chalicelib.ledger.ledger import Claim, Ledger

CYCLE = "2027-01"


def job(user: str = "u1", priority: int = 10, pool: str = "container", job_id: str = "") -> MediaJob:
    """Return the envelope of a transcoding job."""
    return MediaJob(
        job_id=job_id or str(uuid.uuid4()),
        user_id=user,
        operation="transcoding",
        pool=pool,  # type: ignore[arg-type]
        priority=priority,
        cycle=CYCLE,
        input_file_id=str(uuid.uuid4()),
    )


def admit(ledger: Ledger, user: str = "u1", priority: int = 10, pool: str = "container") -> MediaJob:
    """Admit a new job without a limit and return its envelope with its id."""
    admission = ledger.admit(job(user, priority, pool), "pending", -1)
    assert admission.word == "admitted"
    assert admission.send is not None
    return admission.send


def claim(ledger: Ledger, ticket: MediaJob, token: str = "") -> Claim:
    """Claim with a ticket."""
    return ledger.claim(ticket.pool, ticket.id, ticket.job_id, token or new_token())


def drain(ledger: Ledger, ticket: object, outcome: str = "completed") -> list[str]:
    """Claim and finish until nothing waits; return the jobs in the order in which they ran."""
    order = []
    while ledger.stats().waiting:
        got = claim(ledger, ticket)  # type: ignore[arg-type]
        if got.job is None:
            waiting = ledger._scripts.redis.zrange("{test}:waiting:container", 0, 0)  # the test's own look
            id_, job_id = waiting[0][:36], waiting[0][37:]
            got = ledger.claim("container", id_, job_id, new_token())
            assert got.job is not None
        order.append(got.job.job_id)
        assert ledger.finish(got.job, got.token, outcome, {}) == "ok"  # type: ignore[arg-type]
    return order


def run_new(ledger: Ledger, user: str = "u1") -> tuple[MediaJob, str]:
    """Admit a job that nothing is before, and claim it; return it with the token of its holder."""
    got = claim(ledger, admit(ledger, user, priority=1))
    assert got.job is not None
    return got.job, got.token


class Repeatable:
    """In place of `secrets`: the ids of two runs of one example are the same, or hypothesis could not shrink it."""

    dice = random.Random()

    @classmethod
    def randbits(cls, bits: int) -> int:
        return cls.dice.getrandbits(bits)

    @classmethod
    def token_hex(cls, length: int) -> str:
        return cls.dice.randbytes(length).hex()
