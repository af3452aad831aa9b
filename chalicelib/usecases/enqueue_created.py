"""The use case behind `POST /media/created`: a Directus Flow reports a created record, and it is enqueued.

Nobody reads the response of a Flow. So a rejected record is set to failed, with the error, where its owner reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from chalicelib.access.auth import ON_BEHALF
from chalicelib.directus.records import timestamp
from chalicelib.errors import ApiError, Conflict, NotFound, Unavailable
from chalicelib.ledger.ledger import new_token
from chalicelib.usecases.retry import request_of

if TYPE_CHECKING:
    from chalicelib.directus.client import Directus
    from chalicelib.ledger.ledger import Ledger
    from chalicelib.usecases.enqueue import Enqueued, Enqueuer

logger = Logger(service="mediaq", child=True)


class CreatedRecords:
    """Enqueues created records, for their owners and with their rights."""

    def __init__(self, directus: Directus, enqueuer: Enqueuer, ledger: Ledger) -> None:
        self._directus = directus
        self._enqueuer = enqueuer
        self._ledger = ledger

    def enqueue(self, job_id: str) -> Enqueued:
        """Enqueue a record from its own columns.

        Raises:
            ApiError: it was rejected. An error of the record is written into it; without a dependency it stays pending.
        """
        record = self._directus.read_job(job_id)
        if record is None:
            raise NotFound("key must be the id of a media_jobs record")
        if record.status != "pending":
            raise Conflict(f"key names a record that is {record.status}")
        try:
            return self._enqueuer.enqueue(request_of(record), ON_BEHALF)
        except Unavailable:
            raise
        except ApiError as error:
            self.close(job_id, error)
            raise

    def close(self, job_id: str, error: ApiError) -> None:
        """Set a record that was rejected to failed, with the error, unless another call admitted it."""
        token = new_token()
        if self._ledger.lock(job_id, token) != "ok":  # the app called POST /media as well, and that succeeded
            return
        body = error.body()
        why = ": ".join(str(body[name]) for name in ("error", "message") if name in body)
        closed = self._directus.update_open_job(job_id, {"status": "failed", "error": why, "finished_at": timestamp()})
        self._ledger.unlock(job_id, token)
        logger.info("refused", extra={"job_id": job_id, "error": why, "closed": closed})
