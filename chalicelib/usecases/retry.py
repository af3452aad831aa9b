"""The use case that retries failed jobs: one by its id, or several.

A retry is a new admission: it is charged, and starts at the first attempt. The original request is in `result.request` of a
record that failed in a worker or was cancelled, and in the columns of any other record. The owner can change both, so both are
validated like a new request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.access.auth import ON_BEHALF
from chalicelib.errors import ApiError, Conflict

if TYPE_CHECKING:
    from chalicelib.access.auth import Caller
    from chalicelib.access.ownership import Ownership
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Record
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

    def retry_all(self, ids: list[str]) -> dict[str, ApiError | None]:
        """Retry up to a hundred failed jobs, without authorization; return the error of each, None: it will run again."""
        records = self._directus.read_jobs(ids)
        failed = [job_id for job_id in ids if job_id in records and records[job_id].status == "failed"]
        answers = self._enqueuer.enqueue_all([request_of(records[job_id]) for job_id in failed], ON_BEHALF)
        results: dict[str, ApiError | None] = dict.fromkeys(ids, Conflict("jobId names a job that is not failed any more"))
        for job_id, answer in zip(failed, answers, strict=True):
            results[job_id] = answer if isinstance(answer, ApiError) else None
        return results


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
