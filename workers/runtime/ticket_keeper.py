"""Keeps the tickets of running jobs invisible, and deletes those of ended jobs: up to ten with a call."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from chalicelib.errors import TicketsUnavailable
from chalicelib.queues.tickets import RECEIVE_VISIBILITY_SECONDS, RUN_VISIBILITY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.domain.jobs import MediaJob
    from chalicelib.queues.tickets import Ticket, Tickets

logger = Logger(service="mediaq", child=True)
TICK_SECONDS = 0.5
"""How long the ticket of an ended job waits for others. If its worker dies meanwhile, it is dropped at its next delivery."""


class TicketKeeper:
    """A thread that lives as long as there are tickets to keep.

    `at_once`: tickets are deleted when their job ends, in the thread that ends it. A Lambda is frozen after that.
    """

    def __init__(self, tickets: Tickets, *, at_once: bool) -> None:
        self._tickets = tickets
        self._at_once = at_once
        self._lock = threading.Lock()
        self._extending = threading.Lock()
        self._due: dict[str, tuple[Ticket, float]] = {}
        """Receipt -> a ticket of a running job, and when to extend its visibility timeout."""
        self._ended: list[Ticket] = []
        self._running = False

    def keep(self, ticket: Ticket) -> None:
        """Keep the ticket of a running job invisible."""
        with self._lock:
            self._due[ticket.receipt] = (ticket, time.monotonic() + RECEIVE_VISIBILITY_SECONDS / 2)
            self._start()

    def let_go(self, ticket: Ticket) -> None:
        """Keep it invisible no longer than it is: the job runs no more."""
        with self._lock:
            self._due.pop(ticket.receipt, None)

    def delete(self, tickets: Sequence[Ticket]) -> None:
        """Delete the tickets of ended jobs, at once or with others in a moment."""
        if not tickets:
            return
        with self._lock:
            for ticket in tickets:
                self._due.pop(ticket.receipt, None)
            self._ended += tickets
            if not self._at_once:
                self._start()
                return
        self.flush()

    def hold_or_send(self, ticket: Ticket | None, job: MediaJob, delay_ms: int, *, unsure: bool = True) -> None:
        """Make sure that somebody runs a released job when it is due: its ticket is visible then, or a new one is sent.

        `unsure`: whether a job that was claimed without its ticket may have none. If it has one, a container worker sends no
        other: a sweep finds the job when it is due.
        """
        try:
            if ticket is not None:
                self.let_go(ticket)
                with self._extending:  # an extension that is on its way must not be the last change
                    self._tickets.hold(ticket, delay_ms)
            elif unsure or self._at_once:
                self._tickets.send(job, delay_ms)
        except TicketsUnavailable as error:
            logger.warning("ticket not sent or returned; a sweep sends one", extra={"job_id": job.job_id, "error": str(error)})

    def flush(self) -> None:
        """Delete what is to be deleted now."""
        with self._lock:
            ended, self._ended = self._ended, []
        try:
            self._tickets.delete_all(ended)
        except TicketsUnavailable:
            logger.warning("tickets not deleted; they are dropped at their next delivery", extra={"tickets": len(ended)})

    def _start(self) -> None:
        if not self._running:
            threading.Thread(target=self._keep, name="tickets", daemon=True).start()  # may fail: the next tries again
            self._running = True

    def _keep(self) -> None:
        while self._wanted():
            time.sleep(TICK_SECONDS)
            try:
                self.flush()
                self._extend()
            except Exception:  # tickets that are not kept are delivered again
                logger.exception("tickets not kept")

    def _wanted(self) -> bool:
        with self._lock:
            self._running = bool(self._due or self._ended)
            return self._running

    def _extend(self) -> None:
        now = time.monotonic()
        with self._extending:
            with self._lock:
                due = [ticket for ticket, at in self._due.values() if at <= now]
                for ticket in due:
                    self._due[ticket.receipt] = (ticket, now + RUN_VISIBILITY_SECONDS / 2.5)
            try:
                self._tickets.hold_all([(ticket, RUN_VISIBILITY_SECONDS * 1000) for ticket in due])
            except TicketsUnavailable as error:
                logger.warning("tickets not extended", extra={"tickets": len(due), "error": str(error)})
                with self._lock:
                    self._due |= {ticket.receipt: (ticket, now) for ticket in due if ticket.receipt in self._due}
