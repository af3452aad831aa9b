"""Restores jobs into a ledger that was wiped. Their tickets contain everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.directus.records import OPEN_STATES
from chalicelib.errors import TicketsUnavailable
from chalicelib.ledger.ledger import LostJob
from chalicelib.queues.tickets import RECEIVE_AT_MOST
from workers.attempt import orphaned_files

if TYPE_CHECKING:
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Record
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.queues.tickets import Ticket, Tickets


def put_back(ticket: Ticket, ledger: Ledger, tickets: Tickets, directus: Directus) -> bool:
    """Restore the ticket's job, and receive more tickets to restore theirs, since a wiped ledger lost them all.

    Returns False if the ticket is no longer needed: its record is closed, gone, or was admitted again. Files that a lost run
    left are deleted then.

    Raises:
        Unavailable: a dependency is unreachable.
    """
    assert ticket.job is not None
    more = _receive_more(ticket.pool, tickets)
    try:
        own, others = ticket.job, [one.job for one in more if one.job is not None]
        records = directus.read_jobs(list({job.job_id for job in (own, *others)}))
        record = records.get(own.job_id)
        if not _is_open(record):
            orphaned_files.clear(directus, own.job_id)
            return False
        forgotten = [_lost_jobs(job, records[job.job_id]) for job in (own, *others) if _is_open(records.get(job.job_id))]
        return ledger.adopt(forgotten)[0] != "old"
    finally:
        for one in more:
            _give_back(one, tickets)


def _receive_more(pool: str, tickets: Tickets) -> list[Ticket]:
    try:
        return tickets.receive(pool, RECEIVE_AT_MOST, wait_seconds=0)
    except TicketsUnavailable:
        return []  # then one by one


def _give_back(ticket: Ticket, tickets: Tickets) -> None:
    try:
        tickets.hold(ticket)
    except TicketsUnavailable:
        return  # its visibility timeout brings it back


def _is_open(record: Record | None) -> bool:
    return record is not None and record.status in OPEN_STATES


def _lost_jobs(job: MediaJob, record: Record) -> LostJob:
    attempts = max(0, (record.attempts or 0) - 1)  # the record counts the attempt that may be running
    return LostJob(job, "pending" if record.status == "pending" else "processing", attempts)
