"""The use case that cancels a job.

Three steps: the ledger flags the job and locks the record, Directus sets the record to failed, the ledger removes the job. If
the process dies in between, the record is not closed twice, and the next attempt closes the job. A running worker learns of
the cancel when it renews its lease, within 2 s, and stops its media process within another.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from chalicelib.directus.records import OPEN_STATES, timestamp
from chalicelib.domain import attempts
from chalicelib.domain.jobs import CANCELLED, UnknownEnvelope, decode, request_of
from chalicelib.errors import Conflict, RecordBusy
from chalicelib.ledger.ledger import new_token

if TYPE_CHECKING:
    from chalicelib.access.auth import Caller
    from chalicelib.access.ownership import Ownership
    from chalicelib.directus.client import Directus
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.ledger.types import JobSnapshot
    from chalicelib.queues.tickets import Tickets

Answer = Literal["cancelled", "closed", "closing", "missing"]
SAID: dict[Answer, str] = {
    "cancelled": "cancelled",
    "closed": "completed or failed already; nothing was changed",
    "closing": "being closed this moment; nothing was changed",
    "missing": "there is no such record",
}

WAIT_SECONDS, ASK_SECONDS = 5.0, 0.1
"""How long a cancel waits for a worker that is starting the job, and how often it asks."""


class Canceller:
    """Cancels open jobs."""

    def __init__(self, directus: Directus, ledger: Ledger, tickets: Tickets, ownership: Ownership) -> None:
        self._directus = directus
        self._ledger = ledger
        self._tickets = tickets
        self._ownership = ownership

    def cancel_for(self, caller: Caller, job_id: str) -> None:
        """Cancel a job on behalf of the caller.

        Raises:
            NotFound: there is no such record, or the caller may not act on it.
            Conflict: the job is completed or failed already.
            Unavailable: Directus or Redis is unreachable.
        """
        self._ownership.read(job_id, caller)
        match self.cancel(job_id):
            case "closing":
                raise Conflict("jobId names a job that is being closed this moment")
            case "closed" | "missing":
                raise Conflict("jobId names a job that is completed or failed already")

    def cancel(self, job_id: str) -> Answer:
        """Cancel a job by the id of its record, without authorization.

        Raises:
            Unavailable: Directus or Redis is unreachable. A repeated call continues where it stopped.
        """
        seen = self._ledger.get(job_id)  # a later admission is another job
        if seen is None and (closed := self._closed_already(job_id)):
            return closed
        id_, token = seen.id if seen else "", new_token()
        if self._begin_cancel(job_id, id_, token) == "closing":
            return "closing"
        if not self._directus.update_open_job(job_id, _values(seen)):
            closed = self._closed_already(job_id)
            if closed != "cancelled":
                self._ledger.unlock(job_id, token)
                return closed or "closed"
        word, scheduled = self._ledger.cancel(job_id, id_, token)  # repeated, if an earlier call stopped after Directus
        if word == "removed" and scheduled:
            self._tickets.unschedule(id_)
        return "cancelled"

    def _begin_cancel(self, job_id: str, id_: str, token: str) -> str:
        """Take the record lock, waiting for a worker that is starting the job.

        Raises:
            RecordBusy: it takes too long. The worker or the next call cancels the job.
        """
        until = time.monotonic() + WAIT_SECONDS
        while (word := self._ledger.begin_cancel(job_id, id_, token)) == "busy":
            if time.monotonic() > until:
                raise RecordBusy
            time.sleep(ASK_SECONDS)
        return word

    def _closed_already(self, job_id: str) -> Answer | None:
        record = self._directus.read_job(job_id)
        if record is None:
            return "missing"
        if record.status in OPEN_STATES:
            return None
        return "cancelled" if (record.status, record.error) == ("failed", CANCELLED) else "closed"


def _values(seen: JobSnapshot | None) -> dict[str, Any]:
    """Return the columns of a cancelled record."""
    values: dict[str, Any] = {"status": "failed", "error": CANCELLED, "finished_at": timestamp()}
    if seen is not None and seen.state == "active":
        values["progress"] = seen.progress
    if seen is not None and seen.body:
        with suppress(UnknownEnvelope):  # of a later release: it can be cancelled as well
            written = attempts.closed(attempts.read(seen.journal), "cancelled", timestamp())
            values["result"] = {"request": request_of(decode(seen.body)), **written}
    return values
