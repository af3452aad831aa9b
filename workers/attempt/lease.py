"""The lease of a running job: tells the run when to stop.

`LeaseKeeper` renews it every two seconds. A renewal stores progress and the journal, and reports a cancel. If Redis is
unreachable the run continues: nobody else can claim the job either.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from aws_lambda_powertools import Logger

from chalicelib.domain.jobs import CANCELLED
from chalicelib.errors import (
    JobCancelled,
    JobStopped,
    LeaseLost,
    LedgerUnavailable,
    MediaRejected,
    WorkerStopping,
)
from chalicelib.ledger.codec import LostJob
from chalicelib.ledger.types import Renewal
from workers.attempt.journal import Journal

if TYPE_CHECKING:
    from types import TracebackType

    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.types import Claim, Phase
    from chalicelib.queues.tickets import Ticket
    from workers.attempt.lease_keeper import LeaseKeeper

logger = Logger(service="mediaq", child=True)
LOCKED_SECONDS = 0.1


class Lease:
    """A context manager: inside it, `check` raises as soon as the run must stop."""

    def __init__(self, claim: Claim, ticket: Ticket | None, ledger: Ledger, keeper: LeaseKeeper) -> None:
        """`ticket`: of the job itself; None: it was claimed without one, or with that of another job."""
        assert claim.job is not None
        self.job: MediaJob = claim.job
        self.token = claim.token
        self.ticket = ticket
        self.journal = Journal(claim)
        self._attempt = claim.attempt
        self._ledger = ledger
        self._keeper = keeper
        self.percent = 0
        self._stop: JobStopped | None = None
        self._closed = False
        self._phase: Phase = "starting"
        self._deadline = time.monotonic() + self.job.wall_ms / 1000

    def __enter__(self) -> Self:
        self._keeper.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._keeper.discard(self)

    @property
    def seconds_left(self) -> float:
        """The time left for the attempt, in s."""
        return max(0.0, self._deadline - time.monotonic())

    @property
    def stopping(self) -> bool:
        """Whether the run must stop."""
        return self._stop is not None

    def progress(self, percent: int) -> None:
        """Set the progress (0..100) for the next renewal. It never falls."""
        self.percent = max(self.percent, percent)

    def check(self) -> None:
        """Raise the reason to stop: LeaseLost, WorkerStopping, JobCancelled, or MediaRejected at the time limit."""
        if self._stop is not None:
            raise self._stop
        if not self.seconds_left:
            raise MediaRejected("The media took longer to process than an attempt may take")

    def check_fence(self) -> None:
        """Raise only reasons that also forbid to close the job: LeaseLost or WorkerStopping."""
        if isinstance(self._stop, (LeaseLost, WorkerStopping)):
            raise self._stop

    def stop(self, reason: JobStopped) -> None:
        """Stop the run for `reason`. LeaseLost has precedence over WorkerStopping, and that over every other reason."""
        if isinstance(self._stop, LeaseLost):
            return
        if self._stop is None or isinstance(reason, (LeaseLost, WorkerStopping)):
            self._stop = reason

    def confirm(self, phase: Phase | None = None) -> None:
        """Confirm the lease with the ledger, waiting for Redis as long as necessary.

        `phase`: the next change of the record. After `closing` nobody can cancel the job; before `cancelling`, a concurrent
        cancel is waited for.

        Raises:
            LeaseLost: the lease is lost; change nothing.
            JobCancelled: the job is to be closed, and a cancel came first.
            WorkerStopping: the worker shuts down while Redis is unreachable.
        """
        word = "locked"
        while word == "locked":
            try:
                word = self._renew(phase)
            except LedgerUnavailable:
                self.wait(1)
            if word == "locked":
                self.wait(LOCKED_SECONDS)
        self.check_fence()
        if phase == "closing" and word == "cancelled":
            raise JobCancelled(CANCELLED)

    def started(self) -> None:
        """Report that the record is processing: from now on a cancel may write it."""
        self._phase = "started"
        self._keeper.renew_soon(self)

    def closed(self) -> None:
        """Report that the record is closed. A ledger that lost the job counts it from Directus, not from us."""
        self._closed = True

    def wait(self, seconds: float) -> None:
        """Sleep, but not after a lost fence."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.check_fence()
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))

    def renewal(self, phase: Phase | None = None) -> tuple[Renewal, int]:
        """Return the next renewal, and what to pass to `renewed`. `phase`: as of `confirm`."""
        journal, changes = self.journal.unsent()
        return Renewal(self.job, self.token, self.percent, phase or self._phase, journal), changes

    def renewed(self, word: str, changes: int, phase: Phase | None = None) -> str:
        """Act on the answer of a renewal, and return it, or that of a second one after a wipe."""
        self.journal.sent(changes if word != "unknown" else 0)
        if word == "unknown" and self._closed:
            return "ok"
        if word == "unknown":  # the ledger was wiped: restore the job, unless another worker did
            mine = LostJob(self.job, "processing", self._attempt - 1, self.token)
            word = {"adopted": "ok", "known": "ok"}.get(self._ledger.adopt([mine])[0], "lost")
            logger.warning("restored after a wipe", extra={"job_id": self.job.job_id, "answer": word})
            if word == "ok":
                word = self._ledger.renew(self.job, self.token, self.percent, phase=phase or self._phase)
        if word == "lost":
            self.stop(LeaseLost("Another worker holds the job now"))
        elif word == "cancelled":
            self.stop(JobCancelled(CANCELLED))
        return word

    def _renew(self, phase: Phase | None) -> str:
        renewal, changes = self.renewal(phase)
        return self.renewed(self._ledger.renew_all([renewal])[0], changes, phase)
