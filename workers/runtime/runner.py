"""Runs claimed jobs to their commit, for both pools.

Commit order: upload the outputs, close the record, count in the ledger, delete the ticket. After a crash between two steps, the
next attempt does only what is missing.
"""

from __future__ import annotations

import errno
import random
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from aws_lambda_powertools import Logger

from chalicelib import tracing
from chalicelib.directus.records import timestamp
from chalicelib.domain import jobs, retry_policy
from chalicelib.errors import (
    AttemptFailed,
    JobCancelled,
    LambdaExceeded,
    LeaseLost,
    LedgerUnavailable,
    MediaRejected,
    RetryLater,
    Unavailable,
    WorkerStopping,
)
from chalicelib.ledger.ledger import new_token
from chalicelib.ledger.types import NextClaim
from workers.attempt.attempt import Attempt
from workers.attempt.lease import Lease
from workers.attempt.lease_keeper import LeaseKeeper
from workers.runtime.claims import TicketClaims
from workers.runtime.ticket_keeper import TicketKeeper
from workers.sandbox import lambda_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chalicelib.directus.client import Directus
    from chalicelib.ledger.ledger import Ledger, Outcome
    from chalicelib.ledger.types import Claim
    from chalicelib.queues.tickets import Ticket, Tickets
    from workers.context.work import Tools
    from workers.team.helper import Helper

logger = Logger(service="mediaq", child=True)
ERROR_MAX = 300
DISK_FULL_RETRIES_MAX = 20
"""A job that failed so often for lack of disk space fails for good."""
DEFERRALS_MAX = 50
"""A job that a server deferred so often spends attempts from then on."""
RELEASE_MS = (30_000, 40_000)
MOVE_MS = 2000
"""The visibility timeout while Redis does not answer: short, so that the ticket returns soon."""


class Ended(NamedTuple):
    """The end of a run."""

    ended: bool
    """The job ended, or has another ticket."""
    following: Claim | None = None
    """The job that was claimed next."""


class Runner:
    """Runs jobs, any number in parallel. `stop` makes all of them release their jobs."""

    def __init__(
        self,
        ledger: Ledger,
        tickets: Tickets,
        directus: Directus,
        tools: Tools,
        helper: Helper | None = None,
        *,
        at_once: bool = True,
    ) -> None:
        """`at_once`: see `TicketKeeper`."""
        self._ledger = ledger
        self._tickets = tickets
        self._directus = directus
        self._tools = tools
        self.helper = helper
        """Takes parts of other workers' jobs; None: there is no store for them."""
        self.next_pools: Callable[[], Sequence[str]] = tuple
        """Where to look for the next job when one ends; nowhere by default, as a Lambda."""
        self.kept_tickets = TicketKeeper(tickets, at_once=at_once)
        self.claims = TicketClaims(ledger, tickets, directus, self.kept_tickets)
        self._leases = LeaseKeeper(ledger)
        self._running: set[Lease] = set()
        self._lock = threading.Lock()
        self._stopped: WorkerStopping | None = None
        self.last_error = ("", 0)
        """Of the last job that failed or was released, and when (ms since 1970)."""

    def handle(self, ticket: Ticket) -> bool:
        """Handle one ticket and return whether it is no longer needed. Never raises for an unreachable dependency."""
        taken: list[tuple[Claim, Ticket | None]] = []
        handled = self.claims.claim(ticket.pool, [ticket], 1, lambda claim, own: taken.append((claim, own)))
        if handled.calls_for_parts:
            while self.helper is not None and self.helper.help(ticket.pool):
                pass
            return True
        for claim, own in taken:
            ended = self.run(claim, own)
            return ended and own is not None
        return bool(handled.ended)

    def run(self, claim: Claim, ticket: Ticket | None) -> bool:
        """Run a claimed job, and then those that are claimed when one ends.

        Returns whether the first job ended, or has another ticket than `ticket`.
        """
        ended, following = self._run(claim, ticket)
        while following is not None:
            _, following = self._run(following, None)
        return ended

    def look(self, pool: str) -> bool:
        """Claim a job without a ticket, and run it. False: there is none. Never raises for an unreachable dependency."""
        try:
            claim = self._ledger.claim_next(pool, new_token())
        except LedgerUnavailable:
            return False
        if claim is None:
            return False
        self.run(claim, None)
        return True

    def running(self) -> list[str]:
        """Return the ids of the records that are being processed."""
        with self._lock:
            return [lease.job.job_id for lease in self._running]

    def stop(self, reason: WorkerStopping | None = None) -> None:
        """Make every running job release its lease, also those that are about to start."""
        with self._lock:
            self._stopped = reason or WorkerStopping("The worker is shutting down")
            for lease in self._running:
                lease.stop(self._stopped)
        if self.helper is not None:
            self.helper.stop(self._stopped)

    def _run(self, claim: Claim, ticket: Ticket | None) -> Ended:
        """Run one claimed job."""
        lease = Lease(claim, ticket, self._ledger, self._leases)
        job = lease.job
        keys = {"job_id": job.job_id, "bull_job_id": job.id, "attempt": claim.attempt}
        logger.thread_safe_append_keys(**keys, **tracing.trace_id(job.traceparent))
        logger.info("claimed", extra={"operation": job.operation, "own_ticket": ticket is not None, "run": claim.runs})
        with self._lock:
            self._running.add(lease)
            if self._stopped is not None:
                lease.stop(self._stopped)
        try:
            if ticket is not None:
                self.kept_tickets.keep(ticket)
            with tracing.span(f"job {job.operation}", parent=job.traceparent, kind="consumer", **keys, pool=job.pool), lease:
                return self._attempt(claim, lease)
        except LeaseLost:
            logger.warning("lease lost, the job is another worker's")
        except LambdaExceeded as error:
            return Ended(self._move(lease, str(error)))
        except WorkerStopping:
            self._release(lease, 0, "The worker is shutting down")
        except RetryLater as error:
            until = timestamp(seconds=error.seconds)
            self._release(lease, round(error.seconds * 1000), f"{error} and asks to wait until {until}")
        except (Unavailable, AttemptFailed) as error:  # the second for a record that cannot be closed
            self._release(lease, _jitter(RELEASE_MS), str(error), cause=error.__cause__)
        finally:
            if ticket is not None:
                self.kept_tickets.let_go(ticket)
            with self._lock:
                self._running.discard(lease)
            logger.thread_safe_clear_keys()
        return Ended(False)

    def _attempt(self, claim: Claim, lease: Lease) -> Ended:
        attempt = Attempt(claim, lease, self._directus, self._tools)
        started = time.monotonic()
        error = ""
        try:
            outcome = attempt.cancel() if claim.cancelled else attempt.perform()
        except MediaRejected as rejected:
            error, outcome = str(rejected), attempt.fail(str(rejected))
        except JobCancelled:
            error, outcome = jobs.CANCELLED, attempt.cancel()
        except (LeaseLost, WorkerStopping, Unavailable):
            raise
        except Exception as failed:
            if isinstance(failed, OSError) and failed.errno in (errno.ENOSPC, errno.EDQUOT):
                failed = _without_disk(claim, failed)
            if isinstance(failed, RetryLater) and claim.runs < DEFERRALS_MAX:
                raise
            if isinstance(failed, AttemptFailed):
                error = str(failed)
                logger.warning("attempt failed", extra={"error": error, "cause": repr(failed.__cause__)})
            else:
                error = "An internal error occurred; it has been logged"
                logger.exception("attempt failed")
            outcome = "retry" if claim.attempt < retry_policy.MAX_ATTEMPTS else attempt.fail(error)
            if outcome == "retry":
                lease.journal.end("retry", error)
        note: dict[str, object] = {"error": error, "seconds": round(time.monotonic() - started, 3)}
        return self._finish(claim, lease, outcome, note | (attempt.measures() if outcome == "completed" else {}))

    def _finish(self, claim: Claim, lease: Lease, outcome: Outcome, note: dict[str, object]) -> Ended:
        """Count the outcome, waiting for Redis as long as necessary, claim the next job, and update the ticket."""
        job, delay_ms = lease.job, retry_policy.backoff_ms(claim.attempt) if outcome == "retry" else 0
        cost = lease.journal.total_cost(self._tools.prices.of_pool(job.pool))
        summary = {"outcome": outcome, "attempt": claim.attempt, **note, "usd": cost.usd, "cpu_seconds": cost.cpu_seconds}
        wanted = self._next_claim(outcome)
        lost = False
        while True:
            try:
                word, following = self._ledger.finish_and_claim(
                    job, lease.token, outcome, summary, delay_ms, lease.journal.text(), cost.usd, wanted
                )
                break
            except LedgerUnavailable:
                if lost:
                    raise
            try:
                lease.wait(1)
            except LeaseLost:  # perhaps by our own call, with its answer lost: asking again tells
                lost = True
        logger.info("finished", extra={name: value for name, value in summary.items() if name != "shapes"} | {"ledger": word})
        if note["error"]:
            self.last_error = (str(note["error"])[:ERROR_MAX], round(time.time() * 1000))
        ended = word != "lost" and outcome != "retry"
        if ended:
            self._delete_ticket(lease)
        elif word != "lost":
            self.kept_tickets.hold_or_send(lease.ticket, job, delay_ms)
        return Ended(ended, following)

    def _next_claim(self, outcome: Outcome) -> NextClaim:
        """Return the claim that follows the end of a job. A worker that stops, or has to return a ticket first, wants none."""
        pools = () if self._stopped is not None or outcome == "retry" else self.next_pools()
        return NextClaim(new_token() if pools else "", pools, self.helper is not None)

    def _move(self, lease: Lease, reason: str) -> bool:
        """Move the job to the container pool, new ticket first; True if the old one is no longer needed."""
        moved = msgspec.structs.replace(lease.job, pool="container")
        lease.journal.end("moved", reason)
        try:
            self._tickets.send(moved, MOVE_MS)
            word = self._ledger.move(moved, lease.token, lease.journal.text())
        except Unavailable as error:
            self._release(lease, 0, f"{reason}, and cannot move ({error})")
            return False
        logger.warning("moved to the container pool", extra={"job_id": moved.job_id, "reason": reason, "ledger": word})
        if word == "ok":
            self._delete_ticket(lease)
        return word == "ok"

    def _delete_ticket(self, lease: Lease) -> None:
        if lease.ticket is not None:  # else it is deleted when it is received
            self.kept_tickets.delete([lease.ticket])

    def _release(self, lease: Lease, delay_ms: int, reason: str, cause: BaseException | None = None) -> None:
        about = {"job_id": lease.job.job_id, "reason": reason, "cause": repr(cause), "delay_ms": delay_ms}
        logger.warning("released", extra=about)
        self.last_error = (reason[:ERROR_MAX], round(time.time() * 1000))
        lease.journal.end("released", reason)
        try:
            word, unsure = self._ledger.release_and_ask(lease.job, lease.token, delay_ms, lease.journal.text())
        except LedgerUnavailable:
            return  # the lease expires, and a sweep finds the job
        if word != "lost":
            unsure |= self._stopped is not None  # nobody else may look for jobs without tickets
            self.kept_tickets.hold_or_send(lease.ticket, lease.job, delay_ms, unsure=unsure)


def _without_disk(claim: Claim, failed: OSError) -> AttemptFailed:
    """Return the failure of a job that no worker has the disk for.

    Raises:
        LambdaExceeded: a container may have it.
        Unavailable: another worker may have it.
    """
    if lambda_limits.on_lambda():
        raise LambdaExceeded("The job needs more disk than this Lambda has") from failed
    if claim.runs < DISK_FULL_RETRIES_MAX:
        raise Unavailable("No space left in the work folder") from failed
    return AttemptFailed("No worker had the disk space that the job needs")


def _jitter(bounds: tuple[int, int]) -> int:
    return random.randint(*bounds)  # noqa: S311 - jitter
