"""Restores jobs into a ledger that was wiped. Their tickets contain everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.directus.records import OPEN_STATES
from chalicelib.errors import TicketsUnavailable
from chalicelib.ledger.codec import LostJob
from chalicelib.queues.tickets import RECEIVE_AT_MOST
from workers.attempt import orphaned_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Record
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.queues.tickets import Ticket, Tickets


def put_back(lost: Sequence[Ticket], ledger: Ledger, tickets: Tickets, directus: Directus) -> list[bool]:
    """Restore the jobs of tickets. One alone receives more and restores theirs, since a wiped ledger lost them all.

    Returns for each whether it is needed still. It is not if its record is closed, gone, or was admitted again. Files that a
    lost run left are deleted then.

    Raises:
        Unavailable: a dependency is unreachable.
    """
    more = _receive_more(lost[0].pool, tickets) if len(lost) == 1 else []
    try:
        named = [one.job for one in (*lost, *more) if one.job is not None]
        records = directus.read_jobs(list({job.job_id for job in named}))
        answers = ["old"] * len(named)
        of_open = [at for at, job in enumerate(named) if _is_open(records.get(job.job_id))]
        forgotten = [_lost_job(named[at], records[named[at].job_id]) for at in of_open]
        for at, answer in zip(of_open, ledger.adopt(forgotten) if forgotten else (), strict=True):
            answers[at] = answer
        for job in named[: len(lost)]:
            if not _is_open(records.get(job.job_id)):
                orphaned_files.clear(directus, job.job_id)
        return [answer != "old" for answer in answers[: len(lost)]]
    finally:
        _give_back(more, tickets)


def _receive_more(pool: str, tickets: Tickets) -> list[Ticket]:
    try:
        return tickets.receive(pool, RECEIVE_AT_MOST, wait_seconds=0)
    except TicketsUnavailable:
        return []  # then one by one


def _give_back(more: list[Ticket], tickets: Tickets) -> None:
    try:
        tickets.hold_all([(one, 0) for one in more])
    except TicketsUnavailable:
        return  # their visibility timeout brings them back


def _is_open(record: Record | None) -> bool:
    return record is not None and record.status in OPEN_STATES


def _lost_job(job: MediaJob, record: Record) -> LostJob:
    attempts = max(0, (record.attempts or 0) - 1)  # the record counts the attempt that may be running
    return LostJob(job, "pending" if record.status == "pending" else "processing", attempts)
