"""What the scripts of jobs are given, and what they answer, as Python objects."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from chalicelib.domain import jobs
from chalicelib.domain.jobs import MediaJob
from chalicelib.ledger.types import Claim, JobSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SCHEDULED_AT_MOST = 1000
"""The largest number of jobs with a `delay` or `run_at` that one user may have."""
RecordState = Literal["pending", "processing", "failed", "reopened"]


class LostJob(msgspec.Struct):
    """A job that the ledger lost in a wipe, as `adopt` restores it."""

    job: MediaJob
    record: Literal["pending", "processing"]
    attempts: int = 0
    token: str = ""


def admission(job: MediaJob, record: RecordState, limit: int, delay_ms: int) -> tuple[str | float, ...]:
    """Return the arguments of an admission, with a new random tail for its id."""
    return (
        job.job_id, random_tail(), record, jobs.encode(job), job.user_id, job.operation, job.pool, job.priority, delay_ms,
        job.wall_ms, job.cycle, limit, SCHEDULED_AT_MOST, job.callback_url or "",
    )  # fmt: skip


def random_tail() -> str:
    """Return the 16 random hex digits of a UUIDv7, its variant bits set."""
    return f"{secrets.randbits(64) & (1 << 62) - 1 | 1 << 63:016x}"


def lost_jobs(forgotten: Iterable[LostJob]) -> str:
    """Return the jobs that `adopt` restores, as JSON."""
    entries = [
        {
            "job_id": one.job.job_id, "id": one.job.id, "record": one.record, "token": one.token,
            "attempts": one.attempts, "user": one.job.user_id, "operation": one.job.operation,
            "pool": one.job.pool, "priority": one.job.priority, "wall_ms": one.job.wall_ms,
            "cycle": one.job.cycle, "body": jobs.encode(one.job), "callback_url": one.job.callback_url or "",
        }
        for one in forgotten
    ]  # fmt: skip
    return msgspec.json.encode(entries).decode()


def claimed(answer: list[Any], token: str) -> Claim:
    """Return a claimed job.

    Raises:
        UnknownEnvelope: a later release wrote it.
    """
    id_, _, attempt, stalls, runs, body, journal, cancel = answer
    job = jobs.decode(body, id_)
    return Claim(
        "run", job=job, token=token, attempt=attempt, stalls=stalls, runs=runs, journal=journal, cancelled=bool(cancel)
    )


def readable(flat: list[str]) -> Iterator[MediaJob]:
    """Decode envelopes and ids. Those of a later release are left out: its own processes send their tickets."""
    for body, id_ in zip(flat[::2], flat[1::2], strict=True):
        try:
            yield jobs.decode(body, id_)
        except jobs.UnknownEnvelope:
            continue


def snapshot(text: str) -> JobSnapshot | None:
    """Decode the state of a job; None: the ledger does not know it."""
    return msgspec.json.decode(text, type=JobSnapshot, strict=False) if text else None
