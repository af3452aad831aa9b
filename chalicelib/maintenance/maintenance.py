"""The maintenance task: every minute on AWS, every few seconds locally. Idempotent, and safe to run twice at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from aws_lambda_powertools import Logger

from chalicelib.directus.records import OPEN_STATES
from chalicelib.ledger.ledger import LEASE_MS, SUSPECT_MS, SWEEP_AT_MOST
from chalicelib.queues.tickets import RECEIVE_AT_MOST, Sending
from chalicelib.settings import POOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.directus.client import Directus
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.types import TotalsSnapshot
    from chalicelib.maintenance.learning import Learning
    from chalicelib.queues.tickets import Tickets

logger = Logger(service="mediaq", child=True)
SEED_TRIES = 5
WAKES = 10
SWEEPS = 10  # a run goes on while there are as many missing tickets as one sweep may find
DEAD_LETTER_CALLS = 10  # per run: a hundred tickets


class Report(NamedTuple):
    """The result of one run."""

    tickets: int
    """Tickets sent."""
    revived: int
    """How many of them were redriven from a dead-letter queue."""
    dead: int
    """Tickets left in the dead-letter queues for an operator."""
    seeded: bool


class DeadLetterRedrive(NamedTuple):
    """The result of redriving the dead-letter queues."""

    revived: int
    cleared: int
    """Tickets deleted because their job has ended."""


class Maintenance:
    """Repairs what a crash or a wiped Redis left behind."""

    def __init__(self, ledger: Ledger, tickets: Tickets, directus: Directus, learning: Learning | None = None) -> None:
        self._ledger = ledger
        self._learning = learning
        self._tickets = tickets
        self._directus = directus

    def run(self, sleep: Callable[[float], object] = time.sleep) -> Report:
        """Sweep twice, some seconds apart; seed the totals after a wipe; redrive the dead-letter queues; learn."""
        tickets = self.sweep()
        sleep(SUSPECT_MS / 1000)
        tickets += self.sweep()
        seeded = self.seed_totals()
        dead = sum(self._tickets.count_dead_letters(pool) for pool in POOLS)
        looked_at = [self.redrive_dead_letters(pool) for pool in POOLS] if dead else []
        if self._learning is not None:
            self._learning.run()
        revived, cleared = sum(one.revived for one in looked_at), sum(one.cleared for one in looked_at)
        return Report(tickets + revived, revived, max(0, dead - revived - cleared), seeded)

    def sweep(self) -> int:
        """Requeue expired jobs, send missing tickets and return how many; wake workers for due webhooks."""
        sent = 0
        for _ in range(SWEEPS):
            swept = self._ledger.sweep()
            sent += send_missing(swept.missing, self._tickets)
            if len(swept.missing) < SWEEP_AT_MOST:
                break
        if swept.undelivered:
            self.wake_webhook_senders()
        return sent

    def wake_webhook_senders(self) -> int:
        """Send old tickets so that an idle Lambda starts and delivers due webhooks; return how many.

        The receiver deletes the ticket, since its job has ended, and then delivers webhooks. The tickets go to the Lambdas, as
        containers may be scaled to zero. Where one worker polls both pools, it receives them.
        """
        overdue = self._ledger.overdue_webhooks(WAKES)
        send_missing([msgspec.structs.replace(job, pool="lambda") for job in overdue], self._tickets)
        return len(overdue)

    def redrive_dead_letters(self, pool: str) -> DeadLetterRedrive:
        """Send the tickets of open jobs from a dead-letter queue back. Unreadable messages stay there.

        A ticket gets there after a thousand receives: it waited for long, which is no fault of its job.
        """
        revived = cleared = 0
        for _ in range(DEAD_LETTER_CALLS):
            found = self._tickets.receive(pool, RECEIVE_AT_MOST, dead=True)
            if not found:
                break
            dead = {ticket.job.job_id: ticket for ticket in found if ticket.job is not None}
            records = self._directus.read_jobs(list(dead)) if dead else {}
            back = [ticket for job_id, ticket in dead.items() if job_id in records and records[job_id].status in OPEN_STATES]
            send_missing([ticket.job for ticket in back if ticket.job], self._tickets)
            for ticket in dead.values():  # the other jobs have ended
                self._tickets.delete(ticket)
            revived += len(back)
            cleared += len(dead) - len(back)
        return DeadLetterRedrive(revived, cleared)

    def seed_totals(self) -> bool:
        """Count the finished jobs in Directus after a wipe; True if the totals were set.

        Waits until every lease holder had time to restore its job, because a running job is counted when it ends. The count is
        valid only if no job closed its record meanwhile; with many running jobs that can take some tries.
        """
        for _ in range(SEED_TRIES):
            before = self._ledger.read_totals()
            if before.seeded or before.age_ms < LEASE_MS:
                return False
            uncounted = self._count(before.open)
            completed, failed = self._count()
            if uncounted == self._count(before.open) and not self._closed_during_seeding(before, self._ledger.read_totals()):
                self._ledger.seed_totals((completed - uncounted[0], failed - uncounted[1]), before)
                logger.info("totals seeded from Directus", extra={"completed": completed, "failed": failed})
                return True
        return False

    def _closed_during_seeding(self, before: TotalsSnapshot, after: TotalsSnapshot) -> bool:
        """Return whether a job was claimed and closed between the two reads, and so may be counted twice."""
        begun, gone = set(after.open) - set(before.open), set(before.open) - set(after.open)
        ended = after.completed + after.failed - before.completed - before.failed
        return ended > len(gone) or self._count(sorted(begun)) != (0, 0)

    def _count(self, among: list[str] | None = None) -> tuple[int, int]:
        if among == []:
            return 0, 0
        return self._directus.count_status("completed", among), self._directus.count_status("failed", among)


def send_missing(missing: list[MediaJob], tickets: Tickets) -> int:
    """Send new tickets and return how many.

    Raises:
        TicketsUnavailable: not all were sent; a later sweep finds the rest.
    """
    for job in missing:
        logger.warning("sending a new ticket", extra={"job_id": job.job_id, "bull_job_id": job.id})
    unsent = tickets.send_all([Sending(job) for job in missing])
    for error in unsent.values():
        raise error
    return len(missing)
