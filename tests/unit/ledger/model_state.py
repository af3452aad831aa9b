"""The state of the ledger in plain Python, and what its transitions share: see `model.py`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from tests.unit.ledger.model_job import Job


@dataclass
class LedgerState:
    """The state of the whole ledger."""

    jobs: dict[str, Job] = field(default_factory=dict)
    done: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=lambda: {"completed": 0, "failed": 0, "cancelled": 0})
    current: dict[tuple[str, int], int] = field(default_factory=dict)
    last: dict[tuple[str, int, str], int] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    locks: dict[str, str] = field(default_factory=dict)
    """Record -> who may write it; they end by themselves, which a test does by hand."""
    born: int | None = None

    def copy(self) -> Self:
        """Return a copy that shares nothing."""
        return type(self)(
            {key: replace(job) for key, job in self.jobs.items()},
            dict(self.done),
            dict(self.totals),
            dict(self.current),
            dict(self.last),
            dict(self.charged),
            self.paused,
            dict(self.locks),
            self.born,
        )

    def in_state(self, state: str) -> list[Job]:
        """Return the open jobs of a state."""
        return [job for job in self.jobs.values() if job.state == state]

    def line(self, pool: str) -> list[str]:
        """Return the waiting jobs of a pool in the order in which they will be claimed."""
        return [job.job_id for job in sorted(self.in_state("waiting"), key=lambda job: job.order) if job.pool == pool]

    def next_round(self, pool: str, priority: int, user: str) -> int:
        """Take the user's next round."""
        current, place = self.current.get((pool, priority), 0), (pool, priority, user)
        self.last[place] = max(current, self.last.get(place, 0)) + 1
        return self.last[place]

    def give_round_back(self, job: Job) -> None:
        """The last round of a user is free again; a job that was never due has none."""
        if job.scheduled:
            return
        place = (job.pool, job.priority, job.user)
        if self.last.get(place) == job.round:
            self.last[place] = job.round - 1

    def speaks(self, job: Job, token: str) -> bool:
        """Say whether the token may act for the job."""
        if job.state == "active":
            return job.token == token
        return job.state == "waiting" and job.former == token != ""

    @staticmethod
    def unheld(job: Job) -> bool:
        """Say whether the job was put back, and nobody has spoken up for it yet."""
        if job.state == "active":
            return job.token == ""
        return job.state == "waiting" and (job.orphan or (not job.runs and job.adopted))

    def promote(self, now: int) -> None:
        """Move what is due to waiting."""
        for job in sorted(self.in_state("delayed"), key=lambda job: (job.at, job.id)):
            if job.at <= now:
                if job.scheduled:
                    job.round = self.next_round(job.pool, job.priority, job.user)
                job.state, job.scheduled = "waiting", False

    def lock(self, job_id: str, token: str) -> bool:
        """Take the lock on a record."""
        return self.locks.setdefault(job_id, token) == token

    def unlock(self, job_id: str, token: str) -> None:
        """Give it back."""
        if self.locks.get(job_id) == token:
            del self.locks[job_id]
