"""Claims jobs with the tickets that a worker received, and decides what happens to each ticket."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from aws_lambda_powertools import Logger

from chalicelib.errors import TicketsUnavailable, Unavailable
from chalicelib.ledger.ledger import new_token
from chalicelib.ledger.types import Claim
from workers.runtime import recovery

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chalicelib.directus.client import Directus
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.queues.tickets import Ticket, Tickets

logger = Logger(service="mediaq", child=True)
UNKNOWN_STATE_MS = (30_000, 60_000)


class Taken(NamedTuple):
    """What came of some tickets."""

    jobs: list[tuple[Claim, Ticket | None]]
    """Claimed jobs, each with its own ticket, if that is among the received ones."""
    ended: list[Ticket]
    """Tickets that are no longer needed: they are deleted."""
    calls_for_parts: bool
    """Whether a message asks for help with the parts of jobs."""


class TicketClaims:
    """The claims of one worker. An unreachable dependency is never raised: the tickets are returned."""

    def __init__(self, ledger: Ledger, tickets: Tickets, directus: Directus) -> None:
        self._ledger = ledger
        self._tickets = tickets
        self._directus = directus

    def claim(self, pool: str, tickets: Sequence[Ticket], slots: int) -> Taken:
        """Claim up to `slots` jobs with tickets of `pool`. Every ticket that is not of a claimed job is deleted or returned."""
        calls = [ticket for ticket in tickets if ticket.calls_for_parts]
        moved = self._set_aside([ticket for ticket in tickets if ticket.job is None and not ticket.calls_for_parts])
        of_jobs = [ticket for ticket in tickets if ticket.job is not None]
        claims, verdicts = self._claim(pool, of_jobs, slots)
        own: dict[str, Ticket | None] = {claim.job.id: None for claim in claims if claim.job is not None}
        ended: list[Ticket] = []
        held: list[tuple[Ticket, int]] = []
        for ticket, verdict in zip(of_jobs, verdicts, strict=True):
            id_ = ticket.job.id if ticket.job is not None else ""
            if own.get(id_, ticket) is None:
                own[id_] = ticket
            elif verdict.word in ("drop", "elsewhere"):
                ended.append(ticket)
            else:
                held.append((ticket, {"wait": 0, "hold": verdict.hold_ms}.get(verdict.word, unknown_state_ms())))
        self._delete([*calls, *ended])
        self._hold(held)
        return Taken([(claim, own[claim.job.id]) for claim in claims if claim.job is not None], [*moved, *ended], bool(calls))

    def _claim(self, pool: str, tickets: list[Ticket], slots: int) -> tuple[list[Claim], list[Claim]]:
        """Claim with tickets of jobs, restore what a wiped ledger has lost, and claim with that too.

        Returns the claimed jobs, and a verdict for each ticket.
        """
        claims: list[Claim] = []
        verdicts = [Claim("unknown")] * len(tickets)
        try:
            if tickets:
                claims, verdicts = self._ask(pool, tickets, slots)
            lost = [at for at, verdict in enumerate(verdicts) if verdict.word == "unknown"]
            if lost:
                wanted = recovery.put_back([tickets[at] for at in lost], self._ledger, self._tickets, self._directus)
                restored = [at for at, still in zip(lost, wanted, strict=True) if still]
                for at in set(lost) - set(restored):
                    verdicts[at] = Claim("drop")
                if restored:
                    more, again = self._ask(pool, [tickets[at] for at in restored], slots - len(claims))
                    claims = [*claims, *more]
                    for at, verdict in zip(restored, again, strict=True):
                        verdicts[at] = verdict
        except Unavailable as error:
            about = {"tickets": len(tickets), "error": str(error), "cause": repr(error.__cause__)}
            logger.warning("ledger unreachable, keeping the tickets", extra=about)
        return claims, verdicts

    def _ask(self, pool: str, tickets: list[Ticket], slots: int) -> tuple[list[Claim], list[Claim]]:
        named = [(ticket.job.id, ticket.job.job_id) for ticket in tickets if ticket.job is not None]
        found = self._ledger.claim_with(pool, named, [new_token() for _ in range(min(slots, len(named)))])
        return found.jobs, found.tickets

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

    def _delete(self, tickets: list[Ticket]) -> None:
        try:
            self._tickets.delete_all(tickets)
        except TicketsUnavailable:
            logger.warning("tickets not deleted; they are dropped at their next delivery", extra={"tickets": len(tickets)})

    def _hold(self, delays: list[tuple[Ticket, int]]) -> None:
        try:
            self._tickets.hold_all(delays)
        except TicketsUnavailable:
            logger.warning("tickets not returned; their visibility timeout returns them", extra={"tickets": len(delays)})


def unknown_state_ms() -> int:
    """Return how long a ticket is hidden whose job's state is unknown, in ms."""
    return random.randint(*UNKNOWN_STATE_MS)  # noqa: S311 - jitter
