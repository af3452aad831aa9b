"""The use case that retries failed jobs: one by its id, or all that match a filter.

A retry is a new admission: it is charged, and starts at the first attempt. The original request is in `result.request` of a
record that failed in a worker or was cancelled, and in the columns of any other record. The owner can change both, so both are
validated like a new request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.access.auth import ON_BEHALF
from chalicelib.domain.requests import BULK_AT_MOST
from chalicelib.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.access.auth import Caller
    from chalicelib.access.ownership import Ownership
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import FailedJobs, Record
    from chalicelib.errors import ApiError
    from chalicelib.usecases.enqueue import Enqueued, Enqueuer


class Retrier:
    """Admits failed jobs again."""

    def __init__(self, directus: Directus, enqueuer: Enqueuer, ownership: Ownership) -> None:
        self._directus = directus
        self._enqueuer = enqueuer
        self._ownership = ownership

    def retry(self, job_id: str, caller: Caller) -> Enqueued:
        """Retry a failed job.

        Raises:
            ApiError: it is not failed, the caller may not act on it, or it is rejected.
        """
        record, _ = self._ownership.read(job_id, caller)
        begun = (
            record.status == "pending" and asked_for(record) is not None
        )  # an earlier retry stopped after the record was reopened
        if record.status != "failed" and not begun:
            raise Conflict(f"jobId names a job that is {record.status}; only a failed one can be retried")
        return self._enqueuer.enqueue(request_of(record), ON_BEHALF)

    def redrive(self, which: FailedJobs, at_most: int) -> Iterator[tuple[str, Enqueued | ApiError]]:
        """Retry up to `at_most` failed jobs, oldest first; yield the id of each record and the error, if any."""
        ids = self._directus.find_failed(which, at_most)
        for at in range(0, len(ids), BULK_AT_MOST):
            some = ids[at : at + BULK_AT_MOST]
            records = self._directus.read_jobs(some)
            failed = [job_id for job_id in some if job_id in records and records[job_id].status == "failed"]
            answers = self._enqueuer.enqueue_all([request_of(records[job_id]) for job_id in failed], ON_BEHALF)
            yield from zip(failed, answers, strict=True)


def request_of(record: Record) -> dict[str, Any]:
    """Return the original request of a record, as a body of `POST /queue/media`."""
    asked = asked_for(record)
    if asked is None:
        asked = {
            "operation": record.operation,
            "params": record.params,
            "priority": record.priority,
            "input_file_id": record.input_file_id.id if record.input_file_id else None,
            "input_url": record.input_url,
            "creator_profile_id": record.creator_profile_id,
        }
    return {**asked, "jobId": record.id, "delay": None, "run_at": None}


def asked_for(record: Record) -> dict[str, Any] | None:
    """Return the request that a worker or a cancel stored."""
    asked = record.result.get("request") if isinstance(record.result, dict) else None
    return asked if isinstance(asked, dict) else None
