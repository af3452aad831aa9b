"""The use case that runs a failed job again, as it was asked for: one by its id, or many by what they have in common.

A retry is a new admission: it is charged, and counts from the first attempt. What was asked for stands in `result.request` of a
record that failed in a worker or was cancelled; of any other, its own columns say it. Both are the owner's to write, so either
is read like any request of theirs, whoever asks for the retry.
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
    """The use case: admit failed jobs anew."""

    def __init__(self, directus: Directus, enqueuer: Enqueuer, ownership: Ownership) -> None:
        self._directus = directus
        self._enqueuer = enqueuer
        self._ownership = ownership

    def retry(self, job_id: str, caller: Caller) -> Enqueued:
        """Run a failed job again.

        Raises:
            ApiError: it has not failed, is not the caller's, or may not be enqueued any more.
        """
        record, _ = self._ownership.read(job_id, caller)
        begun = record.status == "pending" and asked_for(record) is not None  # a retry that got no further than the record
        if record.status != "failed" and not begun:
            raise Conflict(f"jobId names a job that is {record.status}; only a failed one can be retried")
        return self._enqueuer.enqueue(request_of(record), ON_BEHALF)

    def redrive(self, which: FailedJobs, at_most: int) -> Iterator[tuple[str, Enqueued | ApiError]]:
        """Run up to `at_most` failed jobs again, the oldest first; yield each record's id and what became of it."""
        ids = self._directus.find_failed(which, at_most)
        for at in range(0, len(ids), BULK_AT_MOST):
            some = ids[at : at + BULK_AT_MOST]
            records = self._directus.read_jobs(some)
            failed = [job_id for job_id in some if job_id in records and records[job_id].status == "failed"]
            answers = self._enqueuer.enqueue_all([request_of(records[job_id]) for job_id in failed], ON_BEHALF)
            yield from zip(failed, answers, strict=True)


def request_of(record: Record) -> dict[str, Any]:
    """Return what the job of a record was asked for, as `POST /queue/media` takes it."""
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
    """Return what a worker or a cancel wrote down."""
    asked = record.result.get("request") if isinstance(record.result, dict) else None
    return asked if isinstance(asked, dict) else None
