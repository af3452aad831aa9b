"""The use case that ends a job which nobody wants any more.

The ledger forbids to complete it, Directus says that it failed, the ledger takes it away: whatever becomes of us in between, it
is not closed twice, and the next attempt ends it.
The worker hears of it with the next renewal of its lease, within 2 s, and its media process is gone within another.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from chalicelib import notes
from chalicelib.errors import Conflict
from chalicelib.jobs import CANCELLED, UnknownEnvelope, decode, request_of
from chalicelib.records import timestamp

if TYPE_CHECKING:
    from chalicelib.auth import Caller
    from chalicelib.directus import Directus
    from chalicelib.ledger import Ledger
    from chalicelib.ownership import Ownership
    from chalicelib.tickets import Tickets

Answer = Literal["cancelled", "closed", "closing", "missing"]
SAID: dict[Answer, str] = {
    "cancelled": "cancelled",
    "closed": "completed or failed already; nothing was changed",
    "closing": "being closed this moment; nothing was changed",
    "missing": "there is no such record",
}


class Canceller:
    """The use case: cancel an open job."""

    def __init__(self, directus: Directus, ledger: Ledger, tickets: Tickets, ownership: Ownership) -> None:
        self._directus = directus
        self._ledger = ledger
        self._tickets = tickets
        self._ownership = ownership

    def cancel_for(self, caller: Caller, job_id: str) -> None:
        """Cancel a job of the caller's.

        Raises:
            NotFound: there is no such record, or it is not the caller's.
            Conflict: it is completed or failed already.
            Unavailable: Directus or Redis is away.
        """
        self._ownership.read(job_id, caller)
        match self.cancel(job_id):
            case "closing":
                raise Conflict("jobId names a job that is being closed this moment")
            case "closed" | "missing":
                raise Conflict("jobId names a job that is completed or failed already")

    def cancel(self, job_id: str) -> Answer:
        """Cancel a job by its record's id, whoever it belongs to.

        Raises:
            Unavailable: Directus or Redis is away. Asked again, it goes on where it stopped.
        """
        seen = self._ledger.look(job_id)  # what is admitted from now on is not what is meant
        if seen is not None and self._ledger.forbid(job_id, seen.id) == "closing":
            return "closing"
        values: dict[str, Any] = {"status": "failed", "error": CANCELLED, "finished_at": timestamp()}
        if seen is not None and seen.state == "active":
            values["progress"] = seen.progress
        if seen is not None and seen.body:
            with suppress(UnknownEnvelope):  # of a later release: it can be cancelled all the same
                written = notes.closed(notes.read(seen.notes), "cancelled", timestamp())
                values["result"] = {"request": request_of(decode(seen.body)), **written}
        if not self._directus.update_open_job(job_id, values):
            record = self._directus.read_job(job_id)
            if record is None:
                return "missing"
            if (record.status, record.error) != ("failed", CANCELLED):
                return "closed"
        if seen is not None:
            word, scheduled = self._ledger.cancel(job_id, seen.id)  # again, if an earlier call got no further than Directus
            if word == "removed" and scheduled:
                self._tickets.unschedule(seen.id)
        return "cancelled"
