"""What runs every minute on AWS and every few seconds locally: idempotent, and harmless when two run at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from aws_lambda_powertools import Logger

from chalicelib.directus.records import OPEN_STATES
from chalicelib.ledger.ledger import LEASE_MS, SUSPECT_MS
from chalicelib.queues.tickets import RECEIVE_AT_MOST, Sending
from chalicelib.settings import POOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.directus.client import Directus
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.types import TotalsSnapshot
    from chalicelib.queues.tickets import Tickets

logger = Logger(service="mediaq", child=True)
SEED_TRIES = 5
WAKES = 10
DEAD_LETTER_CALLS = 10  # a run: a hundred tickets


class Report(NamedTuple):
    """What one run did."""

    tickets: int
    """How many were sent."""
    revived: int
    """How many of them for jobs whose ticket was found in a dead-letter queue."""
    dead: int
    """How many tickets are left in the dead-letter queues, for a person to look at."""
    seeded: bool


class DeadLetterRedrive(NamedTuple):
    """What became of the tickets in a dead-letter queue."""

    revived: int
    cleared: int
    """Those of jobs that are over."""


class Maintenance:
    """Puts right what a crash or a wiped Redis left behind."""

    def __init__(self, ledger: Ledger, tickets: Tickets, directus: Directus) -> None:
        self._ledger = ledger
        self._tickets = tickets
        self._directus = directus

    def run(self, sleep: Callable[[float], object] = time.sleep) -> Report:
        """Sweep twice, the second look apart, seed the totals after a wipe, and look into the dead-letter queues."""
        tickets = self.sweep()
        sleep(SUSPECT_MS / 1000)
        tickets += self.sweep()
        seeded = self.seed_totals()
        dead = sum(self._tickets.count_dead_letters(pool) for pool in POOLS)
        looked_at = [self.redrive_dead_letters(pool) for pool in POOLS] if dead else []
        revived, cleared = sum(one.revived for one in looked_at), sum(one.cleared for one in looked_at)
        return Report(tickets + revived, revived, max(0, dead - revived - cleared), seeded)

    def sweep(self) -> int:
        """Requeue what nobody holds, send the tickets that are missing and return how many; wake somebody for callbacks."""
        swept = self._ledger.sweep()
        if swept.undelivered:
            self.wake_webhook_senders()
        return send_missing(swept.missing, self._tickets)

    def wake_webhook_senders(self) -> int:
        """Send old tickets where nobody is awake to tell callback addresses what is due; return how many.

        Whoever receives one drops it, for its job is over, and then tells what is due. They go to the Lambdas, for containers
        may all be gone when there is nothing to do; where Lambdas and containers are one worker, it polls both.
        """
        overdue = self._ledger.overdue_webhooks(WAKES)
        send_missing([msgspec.structs.replace(job, pool="lambda") for job in overdue], self._tickets)
        return len(overdue)

    def redrive_dead_letters(self, pool: str) -> DeadLetterRedrive:
        """Send the tickets of open jobs in a dead-letter queue back. What nobody can read stays there.

        A ticket ends up there after a thousand receives, which says something of the wait and nothing against the job.
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
            for ticket in dead.values():  # the others stand for nothing any more
                self._tickets.delete(ticket)
            revived += len(back)
            cleared += len(dead) - len(back)
        return DeadLetterRedrive(revived, cleared)

    def seed_totals(self) -> bool:
        """Count in Directus what a wiped ledger has forgotten; True when the totals were set.

        Not before every holder of a lease has had time to speak up: a job that is running still counts itself. And only from
        a moment in which no job closed its record, which may take some tries while many are running.
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
        """Say whether a job was claimed and closed between the two: nobody knows whether it was counted."""
        begun, gone = set(after.open) - set(before.open), set(before.open) - set(after.open)
        ended = after.completed + after.failed - before.completed - before.failed
        return ended > len(gone) or self._count(sorted(begun)) != (0, 0)

    def _count(self, among: list[str] | None = None) -> tuple[int, int]:
        if among == []:
            return 0, 0
        return self._directus.count_status("completed", among), self._directus.count_status("failed", among)


def send_missing(missing: list[MediaJob], tickets: Tickets) -> int:
    """Send fresh tickets and return how many there were.

    Raises:
        TicketsUnavailable: not all went out; a later sweep finds those jobs again.
    """
    for job in missing:
        logger.warning("sending a fresh ticket", extra={"job_id": job.job_id, "bull_job_id": job.id})
    unsent = tickets.send_all([Sending(job) for job in missing])
    for error in unsent.values():
        raise error
    return len(missing)
