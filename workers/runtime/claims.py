"""Claims jobs with the tickets that a worker received, and decides what happens to each ticket."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from aws_lambda_powertools import Logger

from chalicelib.errors import TicketsUnavailable, Unavailable
from chalicelib.ledger.ledger import new_token
from chalicelib.ledger.types import Claim
from chalicelib.queues.tickets import Ticket
from workers.runtime import recovery

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chalicelib.directus.client import Directus
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.queues.tickets import Tickets
    from workers.runtime.ticket_keeper import TicketKeeper

logger = Logger(service="mediaq", child=True)
UNKNOWN_STATE_MS = (30_000, 60_000)


Start = Callable[[Claim, Ticket | None], object]
"""What to do with a claimed job and its own ticket, if that is among the received ones."""


class Handled(NamedTuple):
    """What came of some tickets."""

    ended: list[Ticket]
    """Tickets that are no longer needed: they are deleted."""
    calls_for_parts: bool
    """Whether a message asks for help with the parts of jobs."""


class TicketClaims:
    """The claims of one worker. An unreachable dependency is never raised: the tickets are returned."""

    def __init__(self, ledger: Ledger, tickets: Tickets, directus: Directus, kept_tickets: TicketKeeper) -> None:
        self._ledger = ledger
        self._tickets = tickets
        self._directus = directus
        self._kept_tickets = kept_tickets

    def claim(self, pool: str, tickets: Sequence[Ticket], slots: int, start: Start) -> Handled:
        """Claim up to `slots` jobs with tickets of `pool`. Every ticket that is not of a claimed job is deleted or returned.

        `start` is called for each job as soon as it is claimed: from then on something has to renew its lease.
        """
        calls = [ticket for ticket in tickets if ticket.calls_for_parts]
        of_jobs = [ticket for ticket in tickets if ticket.job is not None]
        verdicts = self._claim(pool, of_jobs, slots, start)
        moved = self._set_aside([ticket for ticket in tickets if ticket.job is None and not ticket.calls_for_parts])
        ended: list[Ticket] = []
        held: list[tuple[Ticket, int]] = []
        for ticket, verdict in zip(of_jobs, verdicts, strict=True):
            if verdict.word in ("drop", "elsewhere"):
                ended.append(ticket)
            elif verdict.word != "run":
                held.append((ticket, {"wait": 0, "hold": verdict.hold_ms}.get(verdict.word, unknown_state_ms())))
        self._kept_tickets.delete([*calls, *ended])
        self._hold(held)
        return Handled([*moved, *ended], bool(calls))

    def _claim(self, pool: str, tickets: list[Ticket], slots: int, start: Start) -> list[Claim]:
        """Claim with tickets of jobs, restore what a wiped ledger has lost, and claim with that too.

        Returns a verdict for each ticket; `run`: its job is claimed.
        """
        verdicts = [Claim("unknown")] * len(tickets)
        claimed = 0
        try:
            if tickets:
                verdicts, claimed = self._ask(pool, tickets, slots, start)
            lost = [at for at, verdict in enumerate(verdicts) if verdict.word == "unknown"]
            if lost:
                wanted = recovery.put_back([tickets[at] for at in lost], self._ledger, self._tickets, self._directus)
                restored = [at for at, still in zip(lost, wanted, strict=True) if still]
                for at in set(lost) - set(restored):
                    verdicts[at] = Claim("drop")
                if restored:
                    again, _ = self._ask(pool, [tickets[at] for at in restored], slots - claimed, start)
                    for at, verdict in zip(restored, again, strict=True):
                        verdicts[at] = verdict
        except Unavailable as error:
            about = {"tickets": len(tickets), "error": str(error), "cause": repr(error.__cause__)}
            logger.warning("ledger unreachable, keeping the tickets", extra=about)
        return verdicts

    def _ask(self, pool: str, tickets: list[Ticket], slots: int, start: Start) -> tuple[list[Claim], int]:
        """Claim with one call; return the verdicts, and the number of claimed jobs."""
        ids = [ticket.job.id if ticket.job is not None else "" for ticket in tickets]
        named = [(ticket.job.id, ticket.job.job_id) for ticket in tickets if ticket.job is not None]
        found = self._ledger.claim_with(pool, named, [new_token() for _ in range(min(slots, len(named)))])
        verdicts = list(found.tickets)
        for claim in found.jobs:
            own = None
            if claim.job is not None and claim.job.id in ids:
                at = ids.index(claim.job.id)  # another ticket of the job is returned
                own, verdicts[at] = tickets[at], claim
            start(claim, own)
        return verdicts, len(found.jobs)

    def _set_aside(self, tickets: Iterable[Ticket]) -> list[Ticket]:
        """Deal with tickets that cannot be read; return those that are no longer needed."""
        moved = []
        for ticket in tickets:
            try:
                if ticket.poison:
                    logger.error("unreadable ticket moved to the dead-letter queue", extra={"body": ticket.body[:500]})
                    self._tickets.send_to_dead_letter_queue(ticket)
                    moved.append(ticket)
                else:
                    logger.warning("ticket of a later release kept for a newer worker")
                    self._tickets.hold(ticket, unknown_state_ms())
            except TicketsUnavailable as error:
                logger.warning("ticket not moved; its visibility timeout returns it", extra={"error": str(error)})
        return moved

    def _hold(self, delays: list[tuple[Ticket, int]]) -> None:
        try:
            self._tickets.hold_all(delays)
        except TicketsUnavailable:
            logger.warning("tickets not returned; their visibility timeout returns them", extra={"tickets": len(delays)})


def unknown_state_ms() -> int:
    """Return how long a ticket is hidden whose job's state is unknown, in ms."""
    return random.randint(*UNKNOWN_STATE_MS)  # noqa: S311 - jitter
